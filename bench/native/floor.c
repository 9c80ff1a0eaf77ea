/*
 * The least a server can pay for fan-out: upgrades whoever connects, and at every tick writes ready-made frames to each
 * connection with one write. Nothing is read, checked or queued.
 *
 *   floor <events a second> <events a write> <topics>
 *
 * Prints {"port":…} and ends with its stdin. What a full socket does not take is thrown away, which the subscribers
 * see as a gap: such a run does not count.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define MAX_CONNECTIONS 100000
#define MAX_BATCH (1 << 20)

static int connections[MAX_CONNECTIONS], connection_count;
static char batch[MAX_BATCH];
static long offsets[1024], published;
static int per_write, topic_count;

static void refuse(const char *what) {
  perror(what);
  exit(1);
}

static void admit(int listener) {
  /* The answer to the one key that the subscribers send. */
  static const char answer[] = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                               "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
  char request[4096];
  int one = 1, connection = accept(listener, 0, 0);
  if (connection < 0 || connection_count == MAX_CONNECTIONS) return;
  setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (read(connection, request, sizeof request) <= 0 || write(connection, answer, sizeof answer - 1) < 0) {
    close(connection);
    return;
  }
  fcntl(connection, F_SETFL, O_NONBLOCK);
  connections[connection_count++] = connection;
}

static int frame_event(char *into) {
  struct timespec now;
  struct tm utc;
  char stamp[32], topic[32] = "bench.fan";
  int number = published++ % topic_count;
  clock_gettime(CLOCK_REALTIME, &now);
  gmtime_r(&now.tv_sec, &utc);
  strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &utc);
  if (topic_count > 1) snprintf(topic, sizeof topic, "bench.many-%d", number);
  int length = sprintf(into + 4,
    "{\"type\":\"event\",\"topic\":\"%s\",\"event\":\"bench.tick\",\"id\":\"k3f9a1-4c2\",\"offset\":%ld,\"epoch\":\"dk3f9-1\","
    "\"timestamp\":\"%s.%03ldZ\",\"data\":{\"t\":%lld,\"load\":0.62,\"memory\":7.8,\"state\":\"running\",\"step\":\"compile\"}}",
    topic, ++offsets[number], stamp, now.tv_nsec / 1000000, now.tv_sec * 1000000LL + now.tv_nsec / 1000);
  into[0] = (char)0x81;
  into[1] = 126;
  into[2] = length >> 8;
  into[3] = length;
  return length + 4;
}

static void publish(int timer) {
  unsigned long ticks;
  if (read(timer, &ticks, sizeof ticks) < 0) return;
  int length = 0;
  /* Ticks that were missed are made up for, with writes of their own. */
  for (; ticks > 0; ticks--, length = 0) {
    for (int i = 0; i < per_write; i++) length += frame_event(batch + length);
    for (int i = 0; i < connection_count; i++) if (write(connections[i], batch, length) < 0) {}
  }
}

int main(int argc, char **argv) {
  if (argc != 4) {
    fputs("floor <events a second> <events a write> <topics>\n", stderr);
    return 2;
  }
  double rate = atof(argv[1]);
  per_write = atoi(argv[2]);
  topic_count = atoi(argv[3]);
  if (rate <= 0 || per_write < 1 || per_write > 2000 || topic_count < 1 || topic_count > 1024) return 2;
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  signal(SIGPIPE, SIG_IGN);

  int listener = socket(AF_INET, SOCK_STREAM, 0), poller = epoll_create1(0), timer = timerfd_create(CLOCK_MONOTONIC, 0);
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof at;
  if (bind(listener, (void *)&at, sizeof at) || listen(listener, 4096)) refuse("listen");
  getsockname(listener, (void *)&at, &size);
  long every_ns = 1e9 / rate * per_write;
  struct timespec every = {every_ns / 1000000000L, every_ns % 1000000000L};
  struct itimerspec schedule = {every, every};
  timerfd_settime(timer, 0, &schedule, 0);
  int watched[] = {0, listener, timer};
  for (int i = 0; i < 3; i++) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = watched[i]};
    epoll_ctl(poller, EPOLL_CTL_ADD, watched[i], &event);
  }
  printf("{\"port\":%d}\n", ntohs(at.sin_port));
  fflush(stdout);

  for (struct epoll_event events[64];;) {
    int count = epoll_wait(poller, events, 64, -1);
    for (int i = 0; i < count; i++) {
      int ready = events[i].data.fd;
      if (ready == listener) admit(listener);
      else if (ready == timer) publish(timer);
      else if (read(0, batch, 1) <= 0) return 0;
    }
  }
}
