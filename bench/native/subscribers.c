/*
 * Many WebSocket subscribers in one thread, so cheap that the server under test is what is measured.
 *
 *   subscribers -P port -n clients [-p path] [-g frame]... [-a marker -A times] [-R frame] [-T topics] [-m number] [-i pid] [-s] [-t] [-y] [-z]
 *
 * Connects to 127.0.0.1, sends the greeting frames on every connection, prints {"ready":…} once each client has got
 * `times` messages that contain `marker`, and then obeys lines on stdin, answering each with one line of JSON:
 *
 *   mark             figures since the last mark
 *   heads            lowest and highest last offset over all clients, for each topic
 *   cut              drops all connections
 *   resume <offset>  opens them again at once, with the -R frame ('@' stands for "epoch:offset" of the last event), and
 *                    answers when every client has reached the offset
 *   deafen <n>       the first n clients read nothing from now on; their latencies do not count any more, either
 *   listen           they read again
 *   quit             ends, as does the end of stdin
 *
 * In a greeting '#' stands for the client's number, modulo that of -m where it is given, '%' for its last digit. A delivery is a text with "offset":<n>. Offsets must be contiguous for each client and topic; a topic's number is
 * what follows the last dash of its name. "t":<microseconds since 1970> gives the latency;
 * with -y it is each ~<microseconds since 1970> in a delivery: the tokens of an answer.
 * -z offers permessage-deflate as a browser does. A compressed frame is not inflated: until the client has its markers it counts as one, then as the
 * event that follows the last.
 * Built with -DWITH_TLS -lssl -lcrypto, -t speaks TLS.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#ifdef WITH_TLS
#include <openssl/ssl.h>
static SSL_CTX *tls_context;
#endif

enum state { CLOSED, CONNECTING, SECURING, UPGRADING, OPEN };

struct client {
  enum state state;
  int fd, rest_length, acks;
  unsigned char *rest; /* an incomplete frame, until its end comes */
  long *last;          /* last offset of each topic; 0: none yet */
  char epoch[40];
  int loss_announced;
  double resumed_ms;
#ifdef WITH_TLS
  SSL *tls;
#endif
};

#define MAX_FRAMES 16
#define CHUNK (1 << 18)
#define MAX_REST (1 << 20)
#define OPENING_AT_ONCE 128

static const char *path = "/", *greetings[MAX_FRAMES], *marker = "", *resume_frame = "";
static int port, client_count = 1000, greeting_count, acks_wanted, topic_count = 1, modulus, scan, ages, use_tls, use_deflate, poller;
static long server_pid;
static struct client *clients;
static int deaf_count;
static int next_to_open, opening, opened, ready_clients, was_ready, resuming, reached;
static long resume_target;
static double resume_began;

static struct {
  double since;
  unsigned long deliveries, tokens, bytes, reads, gaps, repeats, dropped, lags, errors, unrecovered, closed;
  long cpu_us;
} seen;

/* Latencies: 32 buckets for each power of two, so a percentile is at most 3 % off. */
#define BUCKETS (40 * 32)
static unsigned long latency[BUCKETS], latency_count;

static void fail(const char *what) {
  fprintf(stderr, "subscribers: %s: %s\n", what, strerror(errno));
  exit(1);
}

static double wall_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static int bucket_of(unsigned long us) {
  if (us < 32) return us;
  int shift = 58 - __builtin_clzl(us);
  int bucket = (shift + 1) * 32 + ((us >> shift) & 31);
  return bucket < BUCKETS ? bucket : BUCKETS - 1;
}

static double bucket_us(int bucket) {
  if (bucket < 32) return bucket;
  int shift = bucket / 32 - 1;
  return (double)((32UL + bucket % 32) << shift);
}

static double percentile_us(double share) {
  unsigned long want = latency_count * share, have = 0;
  for (int b = 0; b < BUCKETS; b++) {
    have += latency[b];
    if (have > want) return bucket_us(b);
  }
  for (int b = BUCKETS - 1; b > 0; b--) if (latency[b]) return bucket_us(b);
  return 0;
}

/* Time on a CPU of all threads of the server, which the kernel counts in nanoseconds. */
static long cpu_us(void) {
  char name[300];
  snprintf(name, sizeof name, "/proc/%ld/task", server_pid);
  DIR *tasks = opendir(name);
  if (!tasks) return 0;
  double total = 0;
  for (struct dirent *task; (task = readdir(tasks));) {
    if (task->d_name[0] == '.') continue;
    snprintf(name, sizeof name, "/proc/%ld/task/%s/schedstat", server_pid, task->d_name);
    FILE *file = fopen(name, "r");
    double ns = 0;
    if (file) {
      if (fscanf(file, "%lf", &ns) == 1) total += ns / 1e3;
      fclose(file);
    }
  }
  closedir(tasks);
  return total;
}

static long rss_kb(void) {
  char name[64], line[256];
  long kb = 0;
  snprintf(name, sizeof name, "/proc/%ld/status", server_pid);
  FILE *file = fopen(name, "r");
  while (file && fgets(line, sizeof line, file) && sscanf(line, "VmRSS: %ld", &kb) != 1) {}
  if (file) fclose(file);
  return kb;
}

static void put(struct client *c, const void *bytes, int length) {
#ifdef WITH_TLS
  if (use_tls) {
    if (SSL_write(c->tls, bytes, length) != length) seen.errors++;
    return;
  }
#endif
  if (write(c->fd, bytes, length) != length) seen.errors++;
}

/* A client's frame is masked; a mask of zeros leaves the payload as it is. */
static void put_frame(struct client *c, int opcode, const char *payload, int length) {
  static unsigned char frame[70000];
  int at = 2;
  if (length > 65535) return;
  frame[0] = 0x80 | opcode;
  if (length < 126) frame[1] = 0x80 | length;
  else { frame[1] = 0x80 | 126; frame[2] = length >> 8; frame[3] = length; at = 4; }
  memset(frame + at, 0, 4);
  memcpy(frame + at + 4, payload, length);
  put(c, frame, at + 4 + length);
}

static void watch(struct client *c, int how, unsigned events) {
  struct epoll_event event = {.events = events, .data.ptr = c};
  if (epoll_ctl(poller, how, c->fd, &event)) fail("epoll_ctl");
}

static void drop(struct client *c) {
  if (c->state == CLOSED) return;
#ifdef WITH_TLS
  if (c->tls) SSL_free(c->tls);
  c->tls = 0;
#endif
  close(c->fd);
  if (c->state != OPEN) opening--;
  c->state = CLOSED;
  c->rest_length = 0;
}

static void begin(struct client *c) {
  int one = 1;
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (c->fd < 0) fail("socket");
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (connect(c->fd, (void *)&to, sizeof to) && errno != EINPROGRESS) fail("connect");
  c->state = CONNECTING;
  c->acks = 0;
  opening++;
  watch(c, EPOLL_CTL_ADD, EPOLLIN | EPOLLOUT);
}

static void begin_more(void) {
  int at_once = resuming ? client_count : OPENING_AT_ONCE;
  while (next_to_open < client_count && opening < at_once) begin(&clients[next_to_open++]);
}

static void request_upgrade(struct client *c) {
  char request[4096];
  int length = snprintf(request, sizeof request,
    "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n", path, port,
    use_deflate ? "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n" : "");
  c->state = UPGRADING;
  watch(c, EPOLL_CTL_MOD, EPOLLIN);
  put(c, request, length);
}

static void secure(struct client *c) {
#ifdef WITH_TLS
  if (!c->tls) {
    c->tls = SSL_new(tls_context);
    SSL_set_fd(c->tls, c->fd);
    c->state = SECURING;
  }
  int done = SSL_connect(c->tls);
  if (done == 1) { request_upgrade(c); return; }
  int why = SSL_get_error(c->tls, done);
  if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) fail("TLS handshake");
  watch(c, EPOLL_CTL_MOD, why == SSL_ERROR_WANT_READ ? EPOLLIN : EPOLLOUT);
#else
  (void)c;
#endif
}

static void on_connected(struct client *c) {
  int problem = 0;
  socklen_t size = sizeof problem;
  getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &problem, &size);
  if (problem) { errno = problem; fail("connect"); }
  if (use_tls) secure(c);
  else request_upgrade(c);
}

static void greet(struct client *c) {
  char frame[8192];
  if (!resuming) {
    for (int i = 0; i < greeting_count; i++) {
      const char *place = strpbrk(greetings[i], "#%");
      int number = c - clients;
      if (place && *place == '%') number %= 10;
      else if (modulus) number %= modulus;
      if (!place) put_frame(c, 1, greetings[i], strlen(greetings[i]));
      else put_frame(c, 1, frame, snprintf(frame, sizeof frame, "%.*s%d%s", (int)(place - greetings[i]), greetings[i], number, place + 1));
    }
    return;
  }
  const char *place = strchr(resume_frame, '@');
  if (!place) fail("resume without an -R frame that has an @");
  int length = snprintf(frame, sizeof frame, "%.*s%s:%ld%s", (int)(place - resume_frame), resume_frame, c->epoch, c->last[0], place + 1);
  put_frame(c, 1, frame, length);
}

static void on_open(struct client *c) {
  c->state = OPEN;
  opening--;
  opened++;
  greet(c);
  if (acks_wanted == 0) ready_clients++;
  begin_more();
}

static long number_at(const unsigned char *p, const unsigned char *end) {
  long n = 0;
  while (p < end && *p >= '0' && *p <= '9') n = n * 10 + (*p++ - '0');
  return n;
}

static const unsigned char *find(const unsigned char *from, const unsigned char *end, const char *text, int length) {
  const unsigned char *at = memmem(from, end - from, text, length);
  return at ? at + length : 0;
}
#define FIND(from, end, text) find(from, end, text, sizeof text - 1)

static int topic_of(const unsigned char *from, const unsigned char *end) {
  if (topic_count == 1) return 0;
  const unsigned char *name = FIND(from, end, "\"topic\":\"");
  const unsigned char *stop = name ? memchr(name, '"', end - name) : 0;
  const unsigned char *dash = stop ? memrchr(name, '-', stop - name) : 0;
  long topic = dash ? number_at(dash + 1, stop) : 0;
  return topic < topic_count ? topic : 0;
}

static void note_reached(struct client *c, long offset, double now) {
  if (!resuming || c->resumed_ms >= 0 || offset < resume_target) return;
  c->resumed_ms = (now - resume_began) / 1e3;
  reached++;
}

static void note_latency(const struct client *c, double us) {
  if (c - clients < deaf_count) return;
  latency[bucket_of(us > 0 ? us : 0)]++;
  latency_count++;
}

static void note_ages(const struct client *c, const unsigned char *from, const unsigned char *end, double now) {
  while ((from = FIND(from, end, "~"))) {
    seen.tokens++;
    note_latency(c, now - number_at(from, end));
  }
}

static void on_event(struct client *c, const unsigned char *start, const unsigned char *number, const unsigned char *end, double now) {
  long offset = number_at(number, end), *last = &c->last[topic_of(start, end)];
  seen.deliveries++;
  if (*last && offset > *last + 1) {
    if (c->loss_announced) seen.dropped += offset - *last - 1;
    else seen.gaps++;
  }
  c->loss_announced = 0;
  if (*last && offset <= *last) seen.repeats++;
  else *last = offset;
  if (*resume_frame && !c->epoch[0]) {
    const unsigned char *epoch = FIND(number, end, "\"epoch\":\"");
    for (int i = 0; epoch && epoch < end && *epoch != '"' && i < 39; i++) c->epoch[i] = *epoch++;
  }
  note_reached(c, offset, now);
  if (ages) {
    note_ages(c, number, end, now);
    return;
  }
  if (seen.deliveries % 7) return;
  const unsigned char *stamp = FIND(number, end, "\"t\":");
  if (stamp) note_latency(c, now - number_at(stamp, end));
}

static void on_other(struct client *c, const unsigned char *start, const unsigned char *end) {
  int length = end - start;
  if (length == 1 && *start == '2') { put_frame(c, 1, "3", 1); return; } /* Engine.IO's ping */
  if (FIND(start, end, "PING\r\n")) put_frame(c, 2, "PONG\r\n", 6);      /* NATS' ping */
  if (FIND(start, end, "\"recovered\":false")) seen.unrecovered++;
  if (FIND(start, end, "\"type\":\"dropped\"")) c->loss_announced = 1;
  if (FIND(start, end, "\"type\":\"lag\"")) seen.lags++;
  if (FIND(start, end, "\"type\":\"error\"") || FIND(start, end, "-ERR")) {
    if (!seen.errors++) fprintf(stderr, "subscribers: %.*s\n", length, start);
  }
  if (acks_wanted > 0 && memmem(start, length, marker, strlen(marker)) && ++c->acks == acks_wanted) ready_clients++;
}

static void on_message(struct client *c, const unsigned char *start, const unsigned char *end, double now) {
  const unsigned char *number = FIND(start, end, "\"offset\":");
  if (!number) { on_other(c, start, end); return; }
  on_event(c, start, number, end, now);
  while (scan && (number = FIND(start = number, end, "\"offset\":"))) on_event(c, start, number, end, now);
}

static void on_compressed(struct client *c) {
  if (c->acks < acks_wanted) {
    if (++c->acks == acks_wanted) ready_clients++;
    return;
  }
  c->last[0]++;
  seen.deliveries++;
}

/* Takes what is complete; returns how many bytes that were, or -1 when the connection is over. */
static int take_frames(struct client *c, unsigned char *bytes, int length, double now) {
  int at = 0;
  for (;;) {
    unsigned char *frame = bytes + at;
    int have = length - at, head = 2;
    if (have < 2) return at;
    unsigned long size = frame[1] & 127;
    if (size == 126) {
      if (have < 4) return at;
      size = frame[2] << 8 | frame[3];
      head = 4;
    } else if (size == 127) {
      if (have < 10) return at;
      size = 0;
      for (int i = 2; i < 10; i++) size = size << 8 | frame[i];
      head = 10;
    }
    if ((unsigned long)have < head + size) return at;
    int opcode = frame[0] & 15;
    if (opcode == 8) return -1;
    if (opcode == 9) put_frame(c, 10, (char *)frame + head, size);
    else if (opcode <= 2 && frame[0] & 0x40) on_compressed(c);
    else if (opcode <= 2) on_message(c, frame + head, frame + head + size, now);
    at += head + size;
  }
}

static void keep_rest(struct client *c, unsigned char *bytes, int length) {
  if (length > MAX_REST) fail("a frame is too large");
  if (length > 0) {
    c->rest = realloc(c->rest, length);
    memcpy(c->rest, bytes, length);
  }
  c->rest_length = length;
}

static int take(struct client *c, unsigned char *bytes, int length, double now) {
  int at = 0;
  if (c->state == UPGRADING) {
    unsigned char *end = memmem(bytes, length, "\r\n\r\n", 4);
    if (!end) return 0;
    if (!memmem(bytes, end - bytes, " 101 ", 5)) {
      fprintf(stderr, "subscribers: the upgrade was refused: %.*s\n", length, bytes);
      exit(1);
    }
    at = end + 4 - bytes;
    on_open(c);
  }
  int used = take_frames(c, bytes + at, length - at, now);
  return used < 0 ? -1 : at + used;
}

static int get(struct client *c, unsigned char *into, int room) {
#ifdef WITH_TLS
  if (use_tls) {
    int length = SSL_read(c->tls, into, room);
    if (length > 0) return length;
    errno = SSL_get_error(c->tls, length) == SSL_ERROR_WANT_READ ? EAGAIN : EIO;
    return -1;
  }
#endif
  return read(c->fd, into, room);
}

static void on_readable(struct client *c) {
  static unsigned char chunk[MAX_REST + CHUNK];
  do {
    int before = c->rest_length;
    memcpy(chunk, c->rest, before);
    int length = get(c, chunk + before, CHUNK);
    if (length < 0 && errno == EAGAIN) return;
    int used = length <= 0 ? -1 : take(c, chunk, before + length, wall_us());
    if (used < 0) {
      seen.closed++;
      drop(c);
      return;
    }
    seen.reads++;
    seen.bytes += length;
    keep_rest(c, chunk + used, before + length - used);
  } while (use_tls); /* what TLS has read already, epoll does not tell */
}

static void on_client(struct client *c, unsigned events) {
  switch (c->state) {
    case CONNECTING: if (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) on_connected(c); return;
    case SECURING: secure(c); return;
    case UPGRADING: case OPEN: on_readable(c); return;
    case CLOSED: return;
  }
}

static void mark(void) {
  double now = wall_us();
  long cpu = server_pid ? cpu_us() : 0;
  printf("{\"seconds\":%.6f,\"deliveries\":%lu,\"tokens\":%lu,\"bytes\":%lu,\"reads\":%lu,\"gaps\":%lu,\"repeats\":%lu,\"dropped\":%lu,"
         "\"lags\":%lu,\"errors\":%lu,\"unrecovered\":%lu,\"closed\":%lu,\"cpuUs\":%ld,\"rssKb\":%ld,\"p50Us\":%.0f,\"p99Us\":%.0f,"
         "\"maxUs\":%.0f}\n",
         (now - seen.since) / 1e6, seen.deliveries, seen.tokens, seen.bytes, seen.reads, seen.gaps, seen.repeats, seen.dropped,
         seen.lags, seen.errors, seen.unrecovered, seen.closed, cpu - seen.cpu_us, server_pid ? rss_kb() : 0, percentile_us(0.5),
         percentile_us(0.99), percentile_us(1));
  memset(&seen, 0, sizeof seen);
  memset(latency, 0, sizeof latency);
  latency_count = 0;
  seen.since = now;
  seen.cpu_us = cpu;
}

static void print_heads(void) {
  printf("{\"heads\":[");
  for (int topic = 0; topic < topic_count; topic++) {
    long low = clients[0].last[topic], high = low;
    for (int i = 1; i < client_count; i++) {
      long last = clients[i].last[topic];
      if (last < low) low = last;
      if (last > high) high = last;
    }
    printf("%s[%ld,%ld]", topic ? "," : "", low, high);
  }
  printf("]}\n");
}

static void cut(void) {
  for (int i = 0; i < client_count; i++) drop(&clients[i]);
  printf("{\"cut\":%d}\n", client_count);
}

static void resume(long target) {
  resuming = 1;
  reached = 0;
  next_to_open = 0;
  resume_target = target;
  resume_began = wall_us();
  for (int i = 0; i < client_count; i++) {
    clients[i].resumed_ms = -1;
    note_reached(&clients[i], clients[i].last[0], resume_began);
  }
  begin_more();
}

static void deafen(int count) {
  deaf_count = count < client_count ? count : client_count;
  for (int i = 0; i < deaf_count; i++) epoll_ctl(poller, EPOLL_CTL_DEL, clients[i].fd, 0);
  printf("{\"deaf\":%d}\n", deaf_count);
}

static void hear_again(void) {
  for (int i = 0; i < deaf_count; i++) watch(&clients[i], EPOLL_CTL_ADD, EPOLLIN);
  printf("{\"listening\":%d}\n", deaf_count);
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void print_resumed(void) {
  double *all = malloc(client_count * sizeof *all);
  for (int i = 0; i < client_count; i++) all[i] = clients[i].resumed_ms;
  qsort(all, client_count, sizeof *all, ascending);
  printf("{\"resumed\":%d,\"p50Ms\":%.2f,\"p99Ms\":%.2f,\"maxMs\":%.2f}\n", client_count, all[client_count / 2],
         all[(int)(client_count * 0.99)], all[client_count - 1]);
  free(all);
  resuming = 0;
}

static void obey(char *line) {
  if (!strcmp(line, "mark")) mark();
  else if (!strcmp(line, "heads")) print_heads();
  else if (!strcmp(line, "cut")) cut();
  else if (!strncmp(line, "resume ", 7)) resume(atol(line + 7));
  else if (!strncmp(line, "deafen ", 7)) deafen(atoi(line + 7));
  else if (!strcmp(line, "listen")) hear_again();
  else if (!strcmp(line, "quit")) exit(0);
  else fprintf(stderr, "subscribers: unknown command %s\n", line);
}

static void on_stdin(void) {
  static char line[256];
  static int length;
  char bytes[256];
  int count = read(0, bytes, sizeof bytes);
  if (count <= 0) exit(0);
  for (int i = 0; i < count; i++) {
    if (bytes[i] == '\n') {
      line[length] = 0;
      length = 0;
      obey(line);
    } else if (length < (int)sizeof line - 1) line[length++] = bytes[i];
  }
}

static void read_options(int argc, char **argv) {
  for (int option; (option = getopt(argc, argv, "P:p:n:g:a:A:R:T:m:i:styz")) != -1;) switch (option) {
    case 'P': port = atoi(optarg); break;
    case 'p': path = optarg; break;
    case 'n': client_count = atoi(optarg); break;
    case 'g': if (greeting_count < MAX_FRAMES) greetings[greeting_count++] = optarg; break;
    case 'a': marker = optarg; break;
    case 'A': acks_wanted = atoi(optarg); break;
    case 'R': resume_frame = optarg; break;
    case 'T': topic_count = atoi(optarg); break;
    case 'm': modulus = atoi(optarg); break;
    case 'i': server_pid = atol(optarg); break;
    case 's': scan = 1; break;
    case 't': use_tls = 1; break;
    case 'y': ages = 1; break;
    case 'z': use_deflate = 1; break;
    default: exit(2);
  }
  if (port == 0 || client_count < 1 || topic_count < 1) {
    fputs("subscribers: -P <port> is missing; the head of subscribers.c has the options\n", stderr);
    exit(2);
  }
}

static void prepare(void) {
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  signal(SIGPIPE, SIG_IGN);
  setvbuf(stdout, 0, _IOLBF, 0);
#ifdef WITH_TLS
  tls_context = SSL_CTX_new(TLS_client_method());
#else
  if (use_tls) {
    fputs("subscribers: built without TLS\n", stderr);
    exit(2);
  }
#endif
  poller = epoll_create1(0);
  clients = calloc(client_count, sizeof *clients);
  for (int i = 0; i < client_count; i++) clients[i].last = calloc(topic_count, sizeof(long));
  struct epoll_event commands = {.events = EPOLLIN, .data.ptr = 0};
  epoll_ctl(poller, EPOLL_CTL_ADD, 0, &commands);
}

int main(int argc, char **argv) {
  read_options(argc, argv);
  prepare();
  double began = seen.since = wall_us();
  begin_more();
  struct epoll_event events[512];
  for (;;) {
    int count = epoll_wait(poller, events, 512, -1);
    for (int i = 0; i < count; i++) {
      if (events[i].data.ptr) on_client(events[i].data.ptr, events[i].events);
      else on_stdin();
    }
    if (!was_ready && opened == client_count && ready_clients == client_count) {
      was_ready = 1;
      printf("{\"ready\":%d,\"connectMs\":%.1f}\n", client_count, (wall_us() - began) / 1e3);
    }
    if (resuming && reached == client_count) print_resumed();
  }
}
