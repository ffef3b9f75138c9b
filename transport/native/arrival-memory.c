/*
 * Where datagrams lie between the thread and JavaScript: chunks of 124 slots, mapped once, touched only as far as needed.
 *
 * One side fills (whoever holds the engine's lock), the other takes (JavaScript), and neither waits for the other. A ring of
 * bytes would touch all of its pages in turn; with a stack of empty chunks the few that were used last are used again.
 */
#include "arrival.h"

#include <string.h>
#include <sys/mman.h>

#define RING_PLACES (2 * MOST_CHUNKS)

static uint32_t ring_count(const struct chunk_ring *ring) {
  return atomic_load_explicit(&ring->tail, memory_order_acquire) - atomic_load_explicit(&ring->head, memory_order_relaxed);
}

static void ring_put(struct chunk_ring *ring, uint16_t chunk) {
  const uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
  ring->chunks[tail % RING_PLACES] = chunk;
  atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
}

/* The oldest one, which there is. */
static uint16_t ring_front(const struct chunk_ring *ring) {
  return ring->chunks[atomic_load_explicit(&ring->head, memory_order_relaxed) % RING_PLACES];
}

static void ring_drop(struct chunk_ring *ring) {
  atomic_store_explicit(&ring->head, atomic_load_explicit(&ring->head, memory_order_relaxed) + 1, memory_order_release);
}

bool open_memory(struct arrival_memory *memory) {
  const size_t bytes = (size_t)MOST_CHUNKS * CHUNK_BYTES;
  void *mapped = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED) return false;
  memory->bytes = mapped;
  memory->filling = -1;
  for (memory->free_count = 0; memory->free_count < MOST_CHUNKS; memory->free_count++) {
    memory->free[memory->free_count] = (uint16_t)(MOST_CHUNKS - 1 - memory->free_count);
  }
  return true;
}

void close_memory(struct arrival_memory *memory) {
  if (memory->bytes) munmap(memory->bytes, (size_t)MOST_CHUNKS * CHUNK_BYTES);
  memory->bytes = NULL;
}

struct columns *columns_of(const struct arrival_memory *memory, uint32_t chunk) {
  return (struct columns *)(void *)(memory->bytes + (size_t)chunk * CHUNK_BYTES);
}

uint32_t room_for(struct arrival_memory *memory, uint32_t most) {
  while (ring_count(&memory->returned) > 0) {
    memory->free[memory->free_count++] = ring_front(&memory->returned);
    ring_drop(&memory->returned);
  }
  const uint32_t messages = memory->free_count / CHUNKS_PER_MESSAGE;
  return messages < most ? messages : most;
}

static void start_chunk(struct arrival_memory *memory) {
  if (memory->filling >= 0) atomic_store_explicit(&memory->chunks[memory->filling].sealed, true, memory_order_release);
  memory->filling = memory->free[--memory->free_count];
  struct chunk *chunk = &memory->chunks[memory->filling];
  atomic_store_explicit(&chunk->filled, 0, memory_order_relaxed);
  atomic_store_explicit(&chunk->sealed, false, memory_order_relaxed);
  chunk->slots_used = 0;
  chunk->taken = 0;
  ring_put(&memory->ready, (uint16_t)memory->filling);
}

void append(struct arrival_memory *memory, const struct datagram *datagram) {
  const uint32_t slots = datagram->length == 0 ? 1 : (datagram->length + SLOT_BYTES - 1) / SLOT_BYTES;
  if (memory->filling < 0 || memory->chunks[memory->filling].slots_used + slots > CHUNK_SLOTS) start_chunk(memory);
  struct chunk *chunk = &memory->chunks[memory->filling];
  struct columns *columns = columns_of(memory, (uint32_t)memory->filling);
  const uint32_t index = atomic_load_explicit(&chunk->filled, memory_order_relaxed);
  uint8_t *slot = (uint8_t *)columns + CHUNK_HEAD_BYTES + (size_t)chunk->slots_used * SLOT_BYTES;
  memcpy(slot, datagram->bytes, datagram->length);
  columns->arrived_at[index] = datagram->arrived_at;
  columns->place[index] = chunk->slots_used << 16 | datagram->length;
  columns->socket[index] = datagram->socket;
  columns->source[index] = datagram->source;
  columns->from[index] = *datagram->from;
  chunk->slots_used += slots;
  atomic_store_explicit(&chunk->filled, index + 1, memory_order_release);
}

/* Gives back a chunk that JavaScript is done with. Of a backlog, which has gone cold anyway, the pages too. */
static void give_back(struct arrival_memory *memory, uint16_t chunk) {
  const bool backlog = ring_count(&memory->ready) > KEPT_CHUNKS;
  ring_drop(&memory->ready);
  if (backlog) madvise(columns_of(memory, chunk), CHUNK_BYTES, MADV_DONTNEED);
  ring_put(&memory->returned, chunk);
}

int32_t next_run(struct arrival_memory *memory) {
  while (ring_count(&memory->ready) > 0) {
    const uint16_t number = ring_front(&memory->ready);
    struct chunk *chunk = &memory->chunks[number];
    /* In this order: once it is sealed, what is filled is all. */
    const bool sealed = atomic_load_explicit(&chunk->sealed, memory_order_acquire);
    const uint32_t filled = atomic_load_explicit(&chunk->filled, memory_order_acquire);
    if (chunk->taken < filled) {
      const uint32_t first = chunk->taken;
      chunk->taken = filled;
      return (int32_t)((uint32_t)number << 16 | first << 8 | filled);
    }
    if (!sealed) return -1;
    give_back(memory, number);
  }
  return -1;
}
