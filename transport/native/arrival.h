/*
 * What the parts of the receiving half share: its memory, its sockets, its thread.
 *
 *     sockets ─► read_sockets (arrival-read.c) ─► chunks (arrival-memory.c) ─► JavaScript
 *
 * Whoever holds `lock` reads the sockets and fills chunks: the thread (arrival.c), or JavaScript when it wants to have what
 * lies in the kernel at this moment. Chunks travel through two rings without a lock: filled ones to JavaScript, empty ones back.
 */
#ifndef LANCAST_ARRIVAL_H
#define LANCAST_ARRIVAL_H

#include "native.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>

/* A datagram begins in a slot of its own and takes as many as it needs. */
#define SLOT_BYTES 2048
#define CHUNK_BYTES 262144
#define CHUNK_HEAD_BYTES 8192
#define CHUNK_SLOTS ((CHUNK_BYTES - CHUNK_HEAD_BYTES) / SLOT_BYTES)
/* 64 MiB: a quarter of a second at 1 Gbit/s, 13 s at 20 Mbit/s. What is not used is no memory. */
#define MOST_CHUNKS 256
/* Chunks whose pages are kept for the next time; of the others they are given back after a backlog. */
#define KEPT_CHUNKS 16
/* Of one message: 64 KiB by offload, in at most 128 datagrams, which may begin near a chunk's end. */
#define CHUNKS_PER_MESSAGE 3

/* Messages of one system call. */
#define BATCH 32
/* Sockets are left alone for 20 ms at most, or a half, a quarter … of that; below the last level they are not left alone. */
#define LONGEST_WAIT_MS 20.0
#define LEVELS 10

union address {
  struct sockaddr any;
  struct sockaddr_in four;
  struct sockaddr_in6 six;
};

/* A chunk as JavaScript sees it (native-arrival.ts): a column for each property of a datagram, then the bytes. */
struct columns {
  double arrived_at[CHUNK_SLOTS];  /* CLOCK_MONOTONIC, milliseconds */
  uint32_t place[CHUNK_SLOTS];     /* first slot << 16 | length */
  uint32_t socket[CHUNK_SLOTS];    /* number of the socket */
  uint32_t source[CHUNK_SLOTS];    /* of its socket: another number, another source */
  union address from[CHUNK_SLOTS]; /* for arrivalSource */
};
_Static_assert(sizeof(struct columns) <= CHUNK_HEAD_BYTES, "the head of a chunk holds its columns");

struct chunk {
  _Atomic uint32_t filled; /* datagrams */
  atomic_bool sealed;      /* no more will come */
  uint32_t slots_used;     /* of the side that fills */
  uint32_t taken;          /* of JavaScript: datagrams it has had */
  napi_ref buffer;         /* of JavaScript: once it has seen the chunk */
};

/* Numbers of chunks from one side to the other; never full, as there are fewer chunks than places. */
struct chunk_ring {
  _Atomic uint32_t head, tail;
  uint16_t chunks[2 * MOST_CHUNKS];
};

struct arrival_memory {
  uint8_t *bytes; /* MOST_CHUNKS of them */
  struct chunk chunks[MOST_CHUNKS];
  struct chunk_ring ready, returned;
  uint16_t free[MOST_CHUNKS]; /* a stack, so that the same few are used again while they are in the cache */
  uint32_t free_count;
  int filling; /* chunk, or -1 */
};

/* How much came for a socket within a span of time. */
struct window {
  double since;
  size_t charge;
};

struct arrival_socket {
  struct arrival_socket *next;
  int fd;
  uint32_t number;
  double gather_ms;      /* how long what came may lie before JavaScript is woken for it */
  uint32_t source;       /* raised whenever `from` changes */
  union address from;    /* of the last datagram */
  double floor_ms;       /* nothing that comes now can have arrived before */
  size_t fair_share;     /* of the receive buffer: as much as may come while nobody looks */
  _Atomic uint32_t drops; /* as they last came with a datagram (SO_RXQ_OVFL) */
  struct window windows[LEVELS];
};

struct batch;

struct arrivals {
  pthread_mutex_t lock;
  struct arrival_memory memory;
  struct arrival_socket *sockets;
  struct batch *batch;
  uint32_t last_number;
  int epoll, stopper;
  pthread_t thread;
  bool running;
  atomic_bool stopping;
  /* A wake-up of JavaScript is under way. */
  atomic_bool waking;
  bool unannounced; /* something lies there that JavaScript has not been woken for */
  double gather_ms; /* the least of all sockets */
  double announced_at;
  /* Until when it is too long to wait 20 ms, 10 ms … */
  double too_long_until[LEVELS];
  /* How many messages come, and whether they are so many that sleeping saves wake-ups. */
  double counting_since;
  uint32_t messages;
  bool busy;
  bool full;
  _Atomic uint32_t overruns;
  napi_env env;
  napi_threadsafe_function wake;
  uint32_t open;
  uint32_t owners; /* the environment, and each chunk that JavaScript still sees */
};

/* What reading the sockets has come to. */
enum reading { READ_NOTHING, READ_SOME, READ_MORE, READ_FULL };

/* Memory. Returns false with errno when there is none. */
bool open_memory(struct arrival_memory *memory);
void close_memory(struct arrival_memory *memory);
struct columns *columns_of(const struct arrival_memory *memory, uint32_t chunk);
/* The side that fills. How many messages there is room for, `most` at most. */
uint32_t room_for(struct arrival_memory *memory, uint32_t most);
/* Adds a datagram, for which there is room. */
struct datagram {
  const uint8_t *bytes;
  uint32_t length, socket, source;
  double arrived_at;
  const union address *from;
};
void append(struct arrival_memory *memory, const struct datagram *datagram);
/* JavaScript's side: the next datagrams of one chunk, as chunk << 16 | first << 8 | end, or -1. Takes back those before. */
int32_t next_run(struct arrival_memory *memory);

/* Reads all sockets that have something. The lock is held. */
enum reading read_sockets(struct arrivals *arrivals);
struct batch *open_batch(void);
/* Prepares a socket for it. */
void expect_arrivals(struct arrival_socket *socket);

#endif
