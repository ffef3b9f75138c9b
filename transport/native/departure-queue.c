/*
 * Blocks of datagrams: JavaScript writes at the tail, the thread reads from the head, and neither waits for the other.
 *
 * Blocks that are free again are kept for the next, of whichever queue: what was just read is still in the cache.
 */
#include "departure.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Free blocks that are kept: 1 MiB, and half as many as are in use, since they come and go in runs. */
#define SPARE_BLOCKS 16
/* How long before its time a datagram is with a kernel that keeps it, at least. */
#define KERNEL_AHEAD_MS 2

static pthread_mutex_t spare_lock = PTHREAD_MUTEX_INITIALIZER;
static struct block *spare;
static unsigned spare_count;
atomic_uint blocks_in_use;

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
  block->used = block->written = 0;
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

const struct entry *entry_at(struct cursor *at) {
  for (;;) {
    /* In this order: once there is a next block, the count of this one is final. */
    struct block *next = at->block->next;
    if (at->index < at->block->count) return entry_of(at->block, at->index);
    if (!next) return NULL;
    *at = (struct cursor){.block = next};
  }
}

void move_on(struct cursor *at, uint64_t count) {
  while (count > 0 && entry_at(at)) {
    const uint32_t rest = at->block->count - at->index;
    const uint32_t step = count < rest ? (uint32_t)count : rest;
    at->index += step;
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
  queue->block_count = 1;
  return queue;
}

void queue_free(struct departure_queue *queue) {
  free(queue);
}

bool queue_push(struct departure_queue *queue, const uint8_t *bytes, uint32_t length, double due_at) {
  const uint32_t stored = length > MOST_DATAGRAM_BYTES ? 0 : length;
  struct block *block = queue->tail;
  if (block->used + stored + (block->written + 1) * sizeof(struct entry) > BLOCK_BYTES) {
    struct block *next = block_new();
    if (!next) return false;
    queue_publish(queue);
    queue->block_count++;
    block->next = next;
    queue->tail = block = next;
  }
  struct entry *entry = (struct entry *)(void *)(block->area + BLOCK_BYTES) - 1 - block->written++;
  *entry = (struct entry){.due_at = due_at, .offset = block->used, .length = length};
  memcpy(block->area + block->used, bytes, stored);
  block->used += stored;
  queue->pushed++;
  return true;
}

void queue_publish(struct departure_queue *queue) {
  /* Once a run: a store that is in order with all others waits until what was copied has reached the cache. */
  queue->tail->count = queue->tail->written;
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
    queue->block_count--;
  }
  queue->departed = done;
}
