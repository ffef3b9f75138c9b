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

/* The run that `at` is in, or at whose front it is; NULL at the end. */
static const struct run *run_at(struct cursor *at) {
  for (;;) {
    /* In this order: once there is a next block, the count of this one is final. */
    struct block *next = at->block->next;
    if (at->run < at->block->count) {
      const struct run *run = &at->block->runs[at->run];
      if (at->passed < run->end - run->first) return run;
      at->run++;
      at->passed = 0;
    } else if (next) {
      *at = (struct cursor){.block = next};
    } else {
      return NULL;
    }
  }
}

bool entry_at(struct cursor *at, struct entry *entry) {
  const struct run *run = run_at(at);
  if (!run) return false;
  const uint32_t slot = run->first + at->passed;
  const uint8_t *lengths = run->chunk + run->slots * sizeof(double);
  const uint8_t *slots = lengths + run->slots * sizeof(uint32_t);
  *entry = (struct entry){
      .due_at = ((const double *)(const void *)run->chunk)[slot],
      .bytes = slots + (size_t)slot * run->slot_bytes,
      .length = ((const uint32_t *)(const void *)lengths)[slot],
  };
  return true;
}

void move_on(struct cursor *at, uint64_t count) {
  const struct run *run;
  while (count > 0 && (run = run_at(at))) {
    const uint32_t rest = run->end - run->first - at->passed;
    const uint32_t step = count < rest ? (uint32_t)count : rest;
    at->passed += step;
    count -= step;
  }
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
