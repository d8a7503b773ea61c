// A block of threads on one processor: every thread is a fiber with a stack of its own, and runs until it has to wait
// for others, at a barrier or where the lanes of a warp meet. Which one goes on then is up to the schedule: 0 orders
// them by number, 1 backwards, and every other number shuffles them in its own way; an even number lets them take
// turns, an odd one always prefers the first that can go on, so that some run far ahead of the others. A kernel that lacks a
// barrier is right under some schedule at most. Blocks are run one after the other, in the same order.
//
// Not seen here: bank conflicts, memory ordering, fences, what two blocks do to each other at the same time.
#include "host_half.h"

#include <cstdio>
#include <cstdlib>
#include <deque>
#include <vector>

#include <sys/mman.h>
#if !defined(__x86_64__) || defined(NETSPEC_UCONTEXT)
#define NETSPEC_UCONTEXT 1
#include <ucontext.h>
#endif
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

namespace host {

Running running;

namespace {

const size_t STACK_BYTES = 128 * 1024;
const int MOST_THREADS = 1024;

struct Copy {
  void* to;
  const void* from;
  u32 bytes;
  bool inside;
  u32 group;
};

// A product of warpgroups that is under way; see multiply_async_tf32 in device.cuh.
struct Product {
  float* sums;
  u64 left, right;
  bool halves;  // of bfloat16, else of TF32
  u32 group;
};

// What sums were before products that are under way; meanwhile they hold NaN.
struct Held {
  float* sums;
  float numbers[GROUP_SUMS];
};

struct Fiber {
#ifdef NETSPEC_UCONTEXT
  ucontext_t context;
#else
  void* stack_pointer = nullptr;
#endif
  char* stack = nullptr;
  Place thread;
  int number = 0;
  bool returned = false;
  const u32* awaited = nullptr;  // goes on when this differs from ``seen``
  u32 seen = 0;
  const char* where = "";
  std::vector<Copy> copies;
  u32 groups = 0;
  std::vector<Product> products;
  std::vector<Held> held;
  u32 product_groups = 0;
  bool begun = false;   // products may start
  bool unshown = false;  // has written to shared memory what products would not see
};

struct Block {
  std::deque<Fiber> fibers;  // they stay where they are: a saved context points into itself
  std::vector<Warp> warps;
  std::vector<int> order, place_of;  // of threads in the schedule
  int threads = 0, living = 0, at_barrier = 0;
  u32 barriers = 0;
  Fiber main, *current = nullptr;
  bool in_turn = true;
  bool hidden = false;  // a barrier was passed by a thread whose writes products do not see
  void (*kernel)(void**) = nullptr;
  void** arguments = nullptr;
  void* shared = nullptr;  // what the launch gives each block
  size_t shared_bytes = 0;
  char problem[256] = "";
};

Block block;

#ifndef NETSPEC_UCONTEXT
extern "C" void netspec_switch(void** from, void* to);
asm(".text\n.globl netspec_switch\n.type netspec_switch,@function\nnetspec_switch:\n"
    "  push %rbp\n  push %rbx\n  push %r12\n  push %r13\n  push %r14\n  push %r15\n"
    "  mov %rsp, (%rdi)\n  mov %rsi, %rsp\n"
    "  pop %r15\n  pop %r14\n  pop %r13\n  pop %r12\n  pop %rbx\n  pop %rbp\n  ret\n");
#endif

void enter(Fiber& next) {
  Fiber& last = *block.current;
  if (&next == &last) return;
  block.current = &next;
  running.thread = next.thread;
  running.number = next.number;
#ifdef __SANITIZE_ADDRESS__
  void* fake_stack;
  __sanitizer_start_switch_fiber(&fake_stack, next.stack, next.stack ? STACK_BYTES : 0);
#endif
#ifdef NETSPEC_UCONTEXT
  swapcontext(&last.context, &next.context);
#else
  netspec_switch(&last.stack_pointer, next.stack_pointer);
#endif
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(fake_stack, nullptr, nullptr);
#endif
}

bool ready(const Fiber& fiber) { return !fiber.returned && (!fiber.awaited || *fiber.awaited != fiber.seen); }

// Hands over to the next thread of the schedule that can go on; to the launch where none can.
void hand_over() {
  bool from_first = block.current == &block.main || !block.in_turn;
  int last = from_first ? -1 : block.place_of[block.current->number];
  for (int step = 1; step <= block.threads; step++) {
    Fiber& fiber = block.fibers[block.order[(last + step) % block.threads]];
    if (ready(fiber)) {
      fiber.awaited = nullptr;
      enter(fiber);
      return;
    }
  }
  if (block.living) {
    const Fiber* waiting = nullptr;
    for (const Fiber& fiber : block.fibers)
      if (!fiber.returned && fiber.number < block.threads) {
        waiting = &fiber;
        break;
      }
    snprintf(block.problem, sizeof block.problem,
             "%d of %d threads wait for ever, the first of them, thread %d, at %s: not all threads come there",
             block.living, block.threads, waiting->number, waiting->where);
  }
  enter(block.main);
}

void wait_until_changed(const u32* value, u32 seen, const char* where) {
  Fiber& fiber = *block.current;
  fiber.awaited = value;
  fiber.seen = seen;
  fiber.where = where;
  hand_over();
}

void run_threads() {
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(nullptr, nullptr, nullptr);
#endif
  for (;;) {  // a fiber is used again by the next block
    block.kernel(block.arguments);
    Fiber& fiber = *block.current;
    fiber.returned = true;
    block.living--;
    Warp& own = block.warps[fiber.number / LANES];
    own.living--;
    if (block.living && block.at_barrier == block.living) {  // who has returned is not waited for, as on a GPU
      block.at_barrier = 0;
      block.barriers++;
    }
    hand_over();
  }
}

void prepare(Fiber& fiber) {
  if (!fiber.stack) {
    void* memory = mmap(nullptr, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) abort();
    fiber.stack = static_cast<char*>(memory);
  }
#ifdef NETSPEC_UCONTEXT
  getcontext(&fiber.context);
  fiber.context.uc_stack.ss_sp = fiber.stack;
  fiber.context.uc_stack.ss_size = STACK_BYTES;
  fiber.context.uc_link = nullptr;
  makecontext(&fiber.context, run_threads, 0);
#else
  // The stack as a switch leaves it: six registers, then where to go on. A call would have pushed 8 bytes more.
  void** top = reinterpret_cast<void**>(fiber.stack + STACK_BYTES - 64);
  *--top = nullptr;
  *--top = reinterpret_cast<void*>(run_threads);
  for (int each = 0; each < 6; each++) *--top = nullptr;
  fiber.stack_pointer = top;
#endif
}

u64 shuffled(u64& state) {  // xorshift, Marsaglia 2003
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

template <class Number>
void put_in_order(std::vector<Number>& order, size_t count, int schedule) {
  order.resize(count);
  for (size_t at = 0; at < count; at++) order[at] = (Number)(schedule == 1 ? count - 1 - at : at);
  u64 state = (u64)schedule * 2654435761u + 1;
  if (schedule > 1)
    for (size_t at = count; at > 1; at--) {
      size_t other = shuffled(state) % at;
      Number held = order[at - 1];
      order[at - 1] = order[other];
      order[other] = held;
    }
}

void start_block(const unsigned* threads) {
  block.living = block.threads;
  block.at_barrier = 0;
  block.hidden = false;
  running.block_number++;
  if (block.shared) poisoned(block.shared, block.shared_bytes);
  for (Warp& warp : block.warps) warp.arrived = warp.living = 0;
  for (int number = 0; number < block.threads; number++) {
    Fiber& fiber = block.fibers[number];
    unsigned at = (unsigned)number;
    fiber.thread = {at % threads[0], at / threads[0] % threads[1], at / threads[0] / threads[1]};
    fiber.number = number;
    fiber.returned = false;
    fiber.awaited = nullptr;
    fiber.copies.clear();
    fiber.groups = 0;
    fiber.products.clear();
    fiber.held.clear();
    fiber.product_groups = 0;
    fiber.begun = fiber.unshown = false;
    block.warps[number / LANES].living++;
  }
}

}  // namespace

void wait_for_block() {
  block.hidden = block.hidden || block.current->unshown;
  if (++block.at_barrier == block.living) {
    block.at_barrier = 0;
    block.barriers++;
  } else {
    wait_until_changed(&block.barriers, block.barriers, "a barrier");
  }
}

Warp& warp() { return block.warps[running.number / LANES]; }
int lane() { return running.number % LANES; }

void meet(const char* where, void (*once)(Warp&)) {
  Warp& own = warp();
  if (++own.arrived == own.living) {
    once(own);
    own.arrived = 0;
    own.done++;
  } else {
    wait_until_changed(&own.done, own.done, where);
  }
}

void start_copy(void* to, const void* from, u32 bytes, bool inside) {
  block.current->copies.push_back({to, from, bytes, inside, block.current->groups});
}

void close_copies() { block.current->groups++; }

void finish_copies(int under_way) {
  Fiber& fiber = *block.current;
  size_t done = 0;
  for (; done < fiber.copies.size() && fiber.copies[done].group + (u32)under_way < fiber.groups; done++) {
    const Copy& copy = fiber.copies[done];
    if (copy.inside)
      memcpy(copy.to, copy.from, copy.bytes);
    else
      memset(copy.to, 0, copy.bytes);
  }
  fiber.copies.erase(fiber.copies.begin(), fiber.copies.begin() + (long)done);
}

void put_for_products(void* to, const void* from, u32 bytes) {
  memcpy(to, from, bytes);
  block.current->unshown = true;
}

void show_writes() { block.current->unshown = false; }

void begin_products() { block.current->begun = true; }

void close_products() { block.current->product_groups++; }

void start_product(float* sums, u64 left, u64 right, bool halves) {
  Fiber& fiber = *block.current;
  bool known = false;
  for (const Held& held : fiber.held) known = known || held.sums == sums;
  if (!known) {
    fiber.held.push_back({sums, {}});
    memcpy(fiber.held.back().numbers, sums, sizeof fiber.held.back().numbers);
  }
  if (!fiber.begun || block.hidden) poisoned(fiber.held.back().numbers, sizeof fiber.held.back().numbers);
  poisoned(sums, sizeof fiber.held.back().numbers);
  fiber.products.push_back({sums, left, right, halves, fiber.product_groups});
}

// A number of a tile in shared memory: its rows, eight of them ``stride`` bytes from the next eight, begin at an
// address, and chunks of 16 bytes are permuted by bits of the address (PTX ISA, "Shared memory matrix layout").
static float number_of_tile(u64 descriptor, int row, int term, bool halves) {
  u64 kind = descriptor >> 62, stride = (descriptor >> 32 & 0x3fff) << 4, row_bytes = kind == 1 ? 128 : 64;
  u64 address = ((descriptor & 0x3fff) << 4) + (u64)(row / 8) * stride + (u64)(row % 8) * row_bytes;
  u32 bytes = halves ? 2 : 4;
  address += (u64)term * bytes;
  if (kind == 1) address ^= address >> 3 & 0x70;
  if (kind == 2) address ^= address >> 3 & 0x30;
  if ((kind != 1 && kind != 2) || address + bytes > block.shared_bytes) return NOT_A_NUMBER;
  const char* from = static_cast<const char*>(block.shared) + address;
  u32 bits = 0;
  memcpy(&bits, from, bytes);
  return float_of(halves ? bits << 16 : bits & 0xffffe000u);
}

// The products that were committed before the last ``under_way`` groups: each thread has the sums of its own numbers.
void finish_products(int under_way) {
  Fiber& fiber = *block.current;
  int warp = running.number / LANES % 4, lane = running.number % LANES;
  size_t done = 0;
  for (; done < fiber.products.size() && fiber.products[done].group + (u32)under_way < fiber.product_groups; done++) {
    const Product& product = fiber.products[done];
    int depth = product.halves ? 16 : 8;
    Held* held = nullptr;
    for (Held& each : fiber.held)
      if (each.sums == product.sums) held = &each;
    for (int half = 0; half < 2; half++) {
      int row = warp * 16 + lane / 4 + half * 8;
      float rows[16];
      for (int term = 0; term < depth; term++) rows[term] = number_of_tile(product.left, row, term, product.halves);
      for (int at = 0; at < GROUP_SUMS; at++) {
        int column = at / 4 * 8 + lane % 4 * 2 + at % 2;
        if (at / 2 % 2 != half) continue;
        for (int term = 0; term < depth; term++)
          held->numbers[at] += rows[term] * number_of_tile(product.right, column, term, product.halves);
      }
    }
  }
  fiber.products.erase(fiber.products.begin(), fiber.products.begin() + (long)done);
  fiber.begun = false;
  if (!fiber.products.empty()) return;
  for (const Held& held : fiber.held) memcpy(held.sums, held.numbers, sizeof held.numbers);
  fiber.held.clear();
}

void* poisoned(void* memory, size_t bytes) { return memset(memory, 0xff, bytes); }

void* shared_of_launch() { return block.shared; }

void* memory_of_block(size_t bytes) {
  void* memory = malloc(bytes);
  if (!memory) abort();
  return memory;
}

}  // namespace host

using host::block;

// Runs a kernel on a grid; 0, or 1 with the reason in ``problem``.
extern "C" int netspec_launch(void (*kernel)(void**), const unsigned* grid, const unsigned* threads, void** arguments,
                              int shared_bytes, int schedule, char* problem, int problem_bytes) {
  u64 blocks = (u64)grid[0] * grid[1] * grid[2];
  int count = (int)(threads[0] * threads[1] * threads[2]);
  if (count < 1 || count > host::MOST_THREADS || count % host::LANES || blocks == 0) {
    snprintf(problem, (size_t)problem_bytes, "%llu blocks of %d threads cannot be launched", blocks, count);
    return 1;
  }
  while ((int)block.fibers.size() < count) {
    block.fibers.emplace_back();
    host::prepare(block.fibers.back());
  }
  block.threads = count;
  block.in_turn = schedule % 2 == 0;
  block.kernel = kernel;
  block.arguments = arguments;
  block.problem[0] = 0;
  block.warps.resize((size_t)(count / host::LANES));
  host::put_in_order(block.order, (size_t)count, schedule);
  block.place_of.resize((size_t)count);
  free(block.shared);  // new for each launch, so that a sanitizer sees where it ends
  block.shared_bytes = (size_t)shared_bytes;
  block.shared = nullptr;
  if (shared_bytes && posix_memalign(&block.shared, host::SHARED_ALIGNMENT, block.shared_bytes)) abort();
  for (int place = 0; place < count; place++) block.place_of[block.order[place]] = place;
  std::vector<u64> order;
  host::put_in_order(order, blocks, schedule);
  host::running.block_size = {threads[0], threads[1], threads[2]};
  host::running.grid_size = {grid[0], grid[1], grid[2]};
  for (u64 at : order) {
    host::running.block = {(unsigned)(at % grid[0]), (unsigned)(at / grid[0] % grid[1]),
                           (unsigned)(at / grid[0] / grid[1])};
    host::start_block(threads);
    block.current = &block.main;
    host::hand_over();
    if (block.problem[0]) {
      const Place& place = host::running.block;
      snprintf(problem, (size_t)problem_bytes, "in block (%u, %u, %u) %s", place.x, place.y, place.z, block.problem);
      for (host::Fiber& fiber : block.fibers) host::prepare(fiber);
      return 1;
    }
  }
  return 0;
}
