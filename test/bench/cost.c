/*
 * Runs a program to its end and prints, as the last line on standard error, what it cost, its children included:
 *
 *   cost PROGRAM ARGUMENT...
 *
 *   cpuUs    time on a processor, user and system, microseconds
 *   seconds  from start to end
 *
 * Its exit status is the program's, or 1 when that ended by a signal.
 */
#include <stdio.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static pid_t child;

static void pass_on(int signal) { kill(child, signal); }

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + time.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
  double began = now();
  int status;
  struct rusage used;
  if (argc < 2) {
    fprintf(stderr, "usage: cost PROGRAM ARGUMENT...\n");
    return 2;
  }
  child = fork();
  if (child == 0) {
    execvp(argv[1], argv + 1);
    perror(argv[1]);
    _exit(127);
  }
  signal(SIGINT, pass_on);
  signal(SIGTERM, pass_on);
  while (wait4(child, &status, 0, &used) < 0);
  long long us = (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000ll + used.ru_utime.tv_usec + used.ru_stime.tv_usec;
  fprintf(stderr, "\n{\"cpuUs\":%lld,\"seconds\":%.3f}\n", us, now() - began);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
