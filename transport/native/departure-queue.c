/*
 * Runs of datagrams that wait, in blocks: JavaScript writes at the tail, the thread reads from the head, and neither waits for the
 * other.
 *
 * Blocks that are free again are kept for the next, of whichever queue: what was just read is still in the cache.
 */
#include "departure.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Free blocks that are kept: 40 KB, and half as many as are in use, since they come and go in runs. */
#define SPARE_BLOCKS 16
/* How long before its time a datagram is with a kernel that keeps it, at least. */
#define KERNEL_AHEAD_MS 2

/* Of a quantum so much is fetched beforehand, at most. */
#define MOST_FETCHED_BYTES 8192
#define CACHE_LINE_BYTES 64

static pthread_mutex_t spare_lock = PTHREAD_MUTEX_INITIALIZER;
static struct block *spare;
static unsigned spare_count;
static atomic_uint blocks_in_use;
_Atomic uint64_t all_queued;

/* Under the lock. */
static struct block *take_spare(void) {
  struct block *block = spare;
  if (block) {
    spare = block->next;
    spare_count--;
  }
  return block;
}

static struct block *block_new(void) {
  pthread_mutex_lock(&spare_lock);
  struct block *block = take_spare();
  pthread_mutex_unlock(&spare_lock);
  if (!block) block = malloc(sizeof *block);
  if (!block) return NULL;
  atomic_init(&block->next, NULL);
  atomic_init(&block->count, 0);
  block->written = 0;
  blocks_in_use++;
  return block;
}

static void block_free(struct block *block) {
  const unsigned keep = SPARE_BLOCKS + --blocks_in_use / 2;
  pthread_mutex_lock(&spare_lock);
  block->next = spare;
  spare = block;
  spare_count++;
  while (spare_count > keep) free(take_spare());
  pthread_mutex_unlock(&spare_lock);
}

/* Whether a datagram is behind `at`, of the run it is in or the next one. */
static bool find_run(struct cursor *at) {
  while (at->passed == at->run.end - at->run.first) {
    /* In this order: once there is a next block, the count of this one is final. */
    struct block *next = at->block->next;
    if (at->taken < at->block->count) {
      at->run = at->block->runs[at->taken++];
      at->passed = 0;
    } else if (next) {
      at->block = next;
      at->taken = 0;
    } else {
      return false;
    }
  }
  return true;
}

/* The columns and slots of a chunk, see departure-chunk.ts. */
static const double *due_times_of(const struct run *run) {
  return (const double *)(const void *)run->chunk;
}

static const uint32_t *lengths_of(const struct run *run) {
  return (const uint32_t *)(due_times_of(run) + run->slots);
}

static const uint8_t *slot_of(const struct run *run, uint32_t slot) {
  return (const uint8_t *)(lengths_of(run) + run->slots) + (size_t)slot * run->slot_bytes;
}

bool entry_at(struct cursor *at, struct entry *entry) {
  if (!find_run(at)) return false;
  const struct run *run = &at->run;
  const uint32_t slot = run->first + at->passed;
  *entry = (struct entry){due_times_of(run)[slot], slot_of(run, slot), lengths_of(run)[slot]};
  return true;
}

void move_on(struct cursor *at, uint64_t count) {
  while (count > 0 && find_run(at)) {
    const uint32_t rest = at->run.end - at->run.first - at->passed;
    const uint32_t step = count < rest ? (uint32_t)count : rest;
    at->passed += step;
    count -= step;
  }
}

void fetch(const struct cursor *at, uint32_t count) {
  const struct run *run = &at->run;
  const uint32_t rest = run->end - run->first - at->passed;
  if (rest == 0) return;
  const uint32_t slot = run->first + at->passed;
  __builtin_prefetch(due_times_of(run) + slot);
  __builtin_prefetch(lengths_of(run) + slot);
  const size_t quantum = (size_t)(count < rest ? count : rest) * run->slot_bytes;
  const size_t bytes = quantum < MOST_FETCHED_BYTES ? quantum : MOST_FETCHED_BYTES;
  const uint8_t *from = slot_of(run, slot);
  for (size_t i = 0; i < bytes; i += CACHE_LINE_BYTES) __builtin_prefetch(from + i);
}

struct departure_queue *queue_new(double quantum, clockid_t clock) {
  struct departure_queue *queue = calloc(1, sizeof *queue);
  struct block *block = queue ? block_new() : NULL;
  if (!block) {
    free(queue);
    return NULL;
  }
  schedule_init(&queue->schedule, quantum);
  queue->clock = clock;
  queue->ahead = clock == NO_TRANSMIT_CLOCK ? 0 : quantum / 2 + KERNEL_AHEAD_MS;
  queue->head = queue->tail = queue->released.block = block;
  return queue;
}

void queue_free(struct departure_queue *queue) {
  free(queue);
}

bool queue_push(struct departure_queue *queue, struct run run) {
  struct block *block = queue->tail;
  if (block->written == BLOCK_RUNS) {
    struct block *next = block_new();
    if (!next) return false;
    block->next = next;
    queue->tail = block = next;
  }
  block->runs[block->written++] = run;
  queue->pushed += run.end - run.first;
  all_queued += run.end - run.first;
  block->count = block->written;
  return true;
}

static void close_outlets(struct departure_queue *queue) {
  for (uint32_t i = 0; i < queue->outlet_count; i++) close(queue->outlets[i].fd);
  free(queue->outlets);
  queue->outlets = NULL;
  queue->outlet_count = 0;
}

bool queue_use(struct departure_queue *queue, const int *sockets, uint32_t count) {
  struct outlet *outlets = calloc(count, sizeof *outlets);
  if (!outlets) return false;
  for (uint32_t i = 0; i < queue->outlet_count; i++) queue->failed += queue->released_count - queue->outlets[i].done;
  close_outlets(queue);
  for (uint32_t i = 0; i < count; i++) {
    outlets[i] = (struct outlet){.fd = sockets[i], .segments = true, .cursor = queue->released, .done = queue->released_count};
  }
  queue->outlets = outlets;
  queue->outlet_count = count;
  return true;
}

void queue_close(struct departure_queue *queue) {
  close_outlets(queue);
  for (struct block *block = queue->head, *next; block; block = next) {
    next = block->next;
    block_free(block);
  }
  queue->head = queue->tail = NULL;
  all_queued -= queue->pushed - queue->departed;
  queue->departed = queue->pushed;
}

static bool in_use(const struct departure_queue *queue, const struct block *block) {
  if (queue->released.block == block) return true;
  for (uint32_t i = 0; i < queue->outlet_count; i++) {
    if (queue->outlets[i].cursor.block == block) return true;
  }
  return false;
}

void queue_reclaim(struct departure_queue *queue) {
  uint64_t done = queue->released_count;
  for (uint32_t i = 0; i < queue->outlet_count; i++) {
    if (queue->outlets[i].done < done) done = queue->outlets[i].done;
  }
  while (!in_use(queue, queue->head)) {
    struct block *block = queue->head;
    queue->head = block->next;
    block_free(block);
  }
  all_queued -= done - queue->departed;
  queue->departed = done;
}
