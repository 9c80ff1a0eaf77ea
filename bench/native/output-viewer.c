/*
 * One viewer of a command's output, so cheap that the server under test is what is measured.
 *
 *   output-viewer -P port -p path [-k token] [-s]
 *
 * Connects to 127.0.0.1 as a bare WebSocket that offers permessage-deflate as a browser does, with -s as a reader of Server-Sent Events,
 * and reads `tool.output` until `tool.completed` or `tool.failed`. Then it prints one line of JSON: the SHA-256 of each stream, how many bytes
 * they had, how often it was told that something is missing, and the exit status.
 * Built with -lcrypto -lz.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#define CHUNK (1 << 18)
#define MAX_MESSAGE (1 << 22)

/* A part of what was read. */
struct span { const unsigned char *at, *end; };

static EVP_MD_CTX *hashes[2]; /* stdout, stderr */
static z_stream inflater;
static unsigned long bytes, gaps;
static int connection;

/* Something is wrong with what was sent. */
static void refuse(const char *what) {
  fprintf(stderr, "output-viewer: %s\n", what);
  exit(1);
}

/* A system call failed. */
static void fail(const char *what) {
  fprintf(stderr, "output-viewer: %s: %s\n", what, strerror(errno));
  exit(1);
}

static int is(struct span text, const char *what) {
  size_t length = strlen(what);
  return (size_t)(text.end - text.at) == length && !memcmp(text.at, what, length);
}

static int hex(unsigned char c) {
  return c <= '9' ? c - '0' : (c | 32) - 'a' + 10;
}

static unsigned code_unit(const unsigned char *p) {
  return hex(p[0]) << 12 | hex(p[1]) << 8 | hex(p[2]) << 4 | hex(p[3]);
}

static unsigned char *put_utf8(unsigned char *to, unsigned c) {
  if (c < 0x80) *to++ = c;
  else if (c < 0x800) { *to++ = 0xc0 | c >> 6; *to++ = 0x80 | (c & 63); }
  else if (c < 0x10000) { *to++ = 0xe0 | c >> 12; *to++ = 0x80 | (c >> 6 & 63); *to++ = 0x80 | (c & 63); }
  else { *to++ = 0xf0 | c >> 18; *to++ = 0x80 | (c >> 12 & 63); *to++ = 0x80 | (c >> 6 & 63); *to++ = 0x80 | (c & 63); }
  return to;
}

/* What stands between the quotes of a JSON string, in UTF-8. */
static struct span unescape(struct span from) {
  static unsigned char text[MAX_MESSAGE + CHUNK]; /* as long as the longest message that is read */
  unsigned char *to = text;
  const unsigned char *p = from.at;
  while (p < from.end) {
    const unsigned char *stop = memchr(p, '\\', from.end - p);
    if (!stop) stop = from.end;
    memcpy(to, p, stop - p);
    to += stop - p;
    p = stop;
    if (p == from.end) break;
    unsigned char kind = p[1];
    p += 2;
    switch (kind) {
      case 'n': *to++ = '\n'; break;
      case 'r': *to++ = '\r'; break;
      case 't': *to++ = '\t'; break;
      case 'b': *to++ = '\b'; break;
      case 'f': *to++ = '\f'; break;
      case 'u': {
        unsigned c = code_unit(p);
        p += 4;
        if (c >> 10 == 0x36 && p + 6 <= from.end && p[0] == '\\' && p[1] == 'u') {
          c = 0x10000 + ((c & 0x3ff) << 10 | (code_unit(p + 2) & 0x3ff));
          p += 6;
        }
        to = put_utf8(to, c);
        break;
      }
      default: *to++ = kind;
    }
  }
  return (struct span){text, to};
}

static struct span decode_base64(struct span from) {
  static unsigned char raw[MAX_MESSAGE + CHUNK];
  int length = from.end - from.at, padding = 0;
  if (length == 0) return from;
  while (padding < length && from.end[-1 - padding] == '=') padding++;
  int size = EVP_DecodeBlock(raw, from.at, length);
  if (size < 0) refuse("bad base64");
  return (struct span){raw, raw + size - padding};
}

/* The end of a string's content; `at` stands behind its first quote. */
static const unsigned char *string_end(const unsigned char *at, const unsigned char *end) {
  for (; at < end; at++) {
    at = memchr(at, '"', end - at);
    if (!at) break;
    int escapes = 0;
    while (at[-1 - escapes] == '\\') escapes++;
    if (escapes % 2 == 0) return at;
  }
  refuse("bad JSON");
  return end;
}

/* Takes a value: of a string what stands between its quotes. */
static struct span take_value(const unsigned char **at, const unsigned char *end) {
  struct span value = {*at, *at};
  if (**at == '"') {
    value = (struct span){*at + 1, string_end(*at + 1, end)};
    *at = value.end + 1;
    return value;
  }
  for (int depth = 0; value.end < end; value.end++) {
    unsigned char c = *value.end;
    if (c == '"') value.end = string_end(value.end + 1, end);
    else if (c == '{' || c == '[') depth++;
    else if ((c == '}' || c == ']' || c == ',') && depth == 0) break;
    else if (c == '}' || c == ']') depth--;
  }
  *at = value.end;
  return value;
}

static void finish(long exit_code) {
  char digests[2][2 * EVP_MAX_MD_SIZE + 1];
  for (int i = 0; i < 2; i++) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length;
    EVP_DigestFinal_ex(hashes[i], digest, &length);
    for (unsigned j = 0; j < length; j++) sprintf(digests[i] + 2 * j, "%02x", digest[j]);
  }
  printf("{\"stdout\":\"%s\",\"stderr\":\"%s\",\"bytes\":%lu,\"cuts\":0,\"gaps\":%lu,\"exitCode\":%ld}\n", digests[0], digests[1], bytes, gaps,
         exit_code);
  exit(0);
}

/* An object as a door sends it; a bare WebSocket has the event's name in it. */
static void on_event(struct span event, struct span json) {
  struct span output = {0, 0};
  int is_stderr = 0, is_base64 = 0;
  long exit_code = -1;
  const unsigned char *at = json.at + 1;
  while (at < json.end && *at == '"') {
    struct span key = take_value(&at, json.end);
    at++; /* the colon */
    struct span value = take_value(&at, json.end);
    if (is(key, "type") && !event.at) event = value;
    else if (is(key, "output")) output = value;
    else if (is(key, "encoding")) is_base64 = is(value, "base64");
    else if (is(key, "is_stderr")) is_stderr = is(value, "true");
    else if (is(key, "exit_code") && !is(value, "null")) exit_code = atol((const char *)value.at);
    at++; /* the comma */
  }
  if (is(event, "tool.output")) {
    struct span piece = is_base64 ? decode_base64(output) : unescape(output);
    bytes += piece.end - piece.at;
    EVP_DigestUpdate(hashes[is_stderr], piece.at, piece.end - piece.at);
  } else if (is(event, "tool.completed") || is(event, "tool.failed")) finish(exit_code);
  else if (is(event, "error") || is(event, "dropped") || is(event, "gap")) gaps++;
}

static void put(const void *what, int length) {
  if (write(connection, what, length) != length) fail("write");
}

/* A client's frame is masked; a mask of zeros leaves the payload as it is. */
static void put_pong(const unsigned char *payload, int length) {
  unsigned char frame[131] = {0x8a, 0x80 | length};
  memcpy(frame + 6, payload, length);
  put(frame, length + 6);
}

/* Messages do not lean on the ones before. */
static struct span inflated(struct span from) {
  static unsigned char text[MAX_MESSAGE];
  inflateReset(&inflater);
  inflater.next_out = text;
  inflater.avail_out = sizeof text;
  struct span parts[] = {from, {(const unsigned char *)"\0\0\xff\xff", 0}};
  parts[1].end = parts[1].at + 4;
  for (int i = 0; i < 2; i++) {
    inflater.next_in = (unsigned char *)parts[i].at;
    inflater.avail_in = parts[i].end - parts[i].at;
    int result = inflate(&inflater, Z_SYNC_FLUSH);
    if ((result != Z_OK && result != Z_BUF_ERROR) || inflater.avail_in > 0) refuse("bad deflate, or too much of it");
  }
  return (struct span){text, inflater.next_out};
}

/* Takes the frames that are complete, and returns where the next one begins. */
static const unsigned char *take_frames(struct span from) {
  for (;;) {
    const unsigned char *frame = from.at;
    long have = from.end - frame;
    if (have < 2) return frame;
    unsigned long size = frame[1] & 127;
    int head = size == 126 ? 4 : size == 127 ? 10 : 2;
    if (have < head) return frame;
    if (head > 2) size = 0;
    for (int i = 2; i < head; i++) size = size << 8 | frame[i];
    if ((unsigned long)have < head + size) return frame;
    struct span payload = {frame + head, frame + head + size};
    int opcode = frame[0] & 15;
    if (!(frame[0] & 0x80) || opcode == 0) refuse("a message in fragments");
    if (opcode == 8) refuse("the server closed the connection");
    else if (opcode == 9) put_pong(payload.at, size);
    else if (opcode <= 2) on_event((struct span){0, 0}, frame[0] & 0x40 ? inflated(payload) : payload);
    from.at = payload.end;
  }
}

/* Takes the blocks of Server-Sent Events that are complete, and returns where the next one begins. */
static const unsigned char *take_blocks(struct span from) {
  for (const unsigned char *end; (end = memmem(from.at, from.end - from.at, "\n\n", 2)); from.at = end + 2) {
    struct span event = {(const unsigned char *)"", (const unsigned char *)""}, data = {0, 0};
    for (const unsigned char *line = from.at, *stop; line < end; line = stop + 1) {
      stop = memchr(line, '\n', end - line);
      if (!stop) stop = end;
      if (stop - line > 7 && !memcmp(line, "event: ", 7)) event = (struct span){line + 7, stop};
      else if (stop - line > 6 && !memcmp(line, "data: ", 6)) data = (struct span){line + 6, stop};
    }
    if (is(event, "gap") || data.at) on_event(event, data);
  }
  return from.at;
}

static void open_connection(int port) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  connection = socket(AF_INET, SOCK_STREAM, 0);
  if (connection < 0 || connect(connection, (void *)&to, sizeof to)) fail("connect");
}

static void request(const char *path, const char *token, int events) {
  char text[8192];
  int length = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n%s%s%s%s\r\n", path, *token ? "Authorization: Bearer " : "", token,
    *token ? "\r\n" : "",
    events ? "Connection: close\r\n"
           : "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
             "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n");
  if (length >= (int)sizeof text) refuse("the request is too long");
  put(text, length);
}

/* Returns where what follows the head begins; `from.at` while the head is not complete. */
static const unsigned char *take_head(struct span from, int events) {
  const unsigned char *end = memmem(from.at, from.end - from.at, "\r\n\r\n", 4);
  if (!end) return from.at;
  if (!memmem(from.at, end - from.at, events ? " 200 " : " 101 ", 5)) {
    fprintf(stderr, "output-viewer: refused: %.*s\n", (int)(from.end - from.at), from.at);
    exit(1);
  }
  return end + 4;
}

int main(int argc, char **argv) {
  static unsigned char buffer[MAX_MESSAGE + CHUNK];
  const char *path = "/", *token = "";
  int port = 0, events = 0, in_body = 0;
  for (int option; (option = getopt(argc, argv, "P:p:k:s")) != -1;) switch (option) {
    case 'P': port = atoi(optarg); break;
    case 'p': path = optarg; break;
    case 'k': token = optarg; break;
    case 's': events = 1; break;
    default: return 2;
  }
  for (int i = 0; i < 2; i++) {
    hashes[i] = EVP_MD_CTX_new();
    EVP_DigestInit_ex(hashes[i], EVP_sha256(), 0);
  }
  inflateInit2(&inflater, -15);
  open_connection(port);
  request(path, token, events);
  for (long have = 0;;) {
    long length = read(connection, buffer + have, CHUNK);
    if (length < 0) fail("read");
    if (length == 0) refuse("the connection ended before the command");
    struct span from = {buffer, buffer + have + length};
    if (!in_body) {
      from.at = take_head(from, events);
      in_body = from.at > buffer;
    }
    if (in_body) from.at = events ? take_blocks(from) : take_frames(from);
    have = from.end - from.at;
    if (have > MAX_MESSAGE) refuse("a message is too large");
    memmove(buffer, from.at, have);
  }
}
