/* The world as one program sees it: its clocks, and its disk.
 *
 * Loaded into a program with LD_PRELOAD. What the world is like stands in the file that JINDU_WORLD names, which the test
 * writes while the program runs: seven 64-bit numbers, in the order of `struct world`.
 *
 *   the program ── clock_gettime ──► this ── wall_ns, steady_ns ──► the system
 *               ── write, fsync  ──►      ── slower, or an error ──►
 *
 * Clocks: the wall clock (CLOCK_REALTIME) and the steady ones (CLOCK_MONOTONIC, CLOCK_BOOTTIME) are moved apart, so that
 * a test can make the one jump, or pass time on both. A wait until a moment of the steady clock, as Rust's threads
 * wait, is translated to the system's own time.
 * Disk: only what is written to regular files; sockets and pipes stay as they are.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

struct world {
	volatile int64_t wall_ns;
	volatile int64_t steady_ns;
	volatile int64_t write_delay_us; /* before each write, truncation and fsync */
	volatile int64_t read_delay_us;  /* before each read at a place, as databases read */
	volatile int64_t write_error;    /* an errno: ENOSPC, EROFS, EIO; 0 is none; -1 kills the program */
	volatile int64_t failed;         /* how many were failed: the program counts */
	volatile int64_t spared;         /* how many writes succeed before one fails: the program counts down */
};

static struct world plain;
static struct world *world = &plain;

#define REAL(name) ((__typeof__(&name))real(#name))

static void *real(const char *name)
{
	void *found = dlsym(RTLD_NEXT, name);
	if (!found)
		abort();
	return found;
}

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("JINDU_WORLD");
	int fd = path ? REAL(open)(path, O_RDWR | O_CLOEXEC) : -1;
	if (fd < 0)
		return;
	void *map = mmap(NULL, sizeof *world, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map != MAP_FAILED)
		world = map;
	close(fd);
}

static void add(struct timespec *at, int64_t ns)
{
	int64_t sum = at->tv_nsec + ns % 1000000000;
	at->tv_sec += ns / 1000000000;
	if (sum >= 1000000000) {
		sum -= 1000000000;
		at->tv_sec++;
	} else if (sum < 0) {
		sum += 1000000000;
		at->tv_sec--;
	}
	at->tv_nsec = sum;
}

/* --- clocks --- */

int clock_gettime(clockid_t clock, struct timespec *at)
{
	int result = (int)REAL(syscall)(SYS_clock_gettime, clock, at);
	if (result == 0) {
		if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)
			add(at, world->wall_ns);
		else if (clock == CLOCK_MONOTONIC || clock == CLOCK_MONOTONIC_COARSE || clock == CLOCK_BOOTTIME)
			add(at, world->steady_ns);
	}
	return result;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone)
{
	struct timespec now;
	(void)zone;
	clock_gettime(CLOCK_REALTIME, &now);
	at->tv_sec = now.tv_sec;
	at->tv_usec = now.tv_nsec / 1000;
	return 0;
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *until, struct timespec *left)
{
	struct timespec at = *until;
	if ((flags & TIMER_ABSTIME) && clock == CLOCK_MONOTONIC)
		add(&at, -world->steady_ns);
	return REAL(clock_nanosleep)(clock, flags, &at, left);
}

long syscall(long number, ...)
{
	long a[6];
	va_list list;
	va_start(list, number);
	for (int n = 0; n < 6; n++)
		a[n] = va_arg(list, long);
	va_end(list);
	struct timespec until;
	if (number == SYS_futex && (a[1] & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET && !(a[1] & FUTEX_CLOCK_REALTIME) && a[3]) {
		until = *(const struct timespec *)a[3];
		add(&until, -world->steady_ns);
		if (until.tv_sec < 0)
			until.tv_sec = until.tv_nsec = 0;
		a[3] = (long)&until;
	}
	return REAL(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* --- disk --- */

static int is_file(int fd)
{
	struct stat at;
	return fstat(fd, &at) == 0 && S_ISREG(at.st_mode);
}

/* Whether a write to this file fails; slows it, too. */
static int refused(int fd)
{
	if (!world->write_error && !world->write_delay_us)
		return 0;
	if (!is_file(fd))
		return 0;
	if (world->write_delay_us)
		usleep((useconds_t)world->write_delay_us);
	if (!world->write_error || __atomic_fetch_sub(&world->spared, 1, __ATOMIC_RELAXED) > 0)
		return 0;
	if (world->write_error < 0)
		kill(getpid(), SIGKILL);
	__atomic_add_fetch(&world->failed, 1, __ATOMIC_RELAXED);
	errno = (int)world->write_error;
	return 1;
}

ssize_t write(int fd, const void *bytes, size_t n) { return refused(fd) ? -1 : REAL(write)(fd, bytes, n); }
ssize_t pwrite64(int fd, const void *bytes, size_t n, off64_t at) { return refused(fd) ? -1 : REAL(pwrite64)(fd, bytes, n, at); }
int ftruncate64(int fd, off64_t size) { return refused(fd) ? -1 : REAL(ftruncate64)(fd, size); }
int fsync(int fd) { return refused(fd) ? -1 : REAL(fsync)(fd); }

ssize_t pread64(int fd, void *bytes, size_t n, off64_t at)
{
	if (world->read_delay_us)
		usleep((useconds_t)world->read_delay_us);
	return REAL(pread64)(fd, bytes, n, at);
}

/* A disk that is read-only refuses to be opened for writing, and to have its folders changed. */
static int read_only(int flags)
{
	if (world->write_error != EROFS || ((flags & O_ACCMODE) == O_RDONLY && !(flags & O_CREAT)))
		return 0;
	__atomic_add_fetch(&world->failed, 1, __ATOMIC_RELAXED);
	errno = EROFS;
	return 1;
}

#define OPEN(name)                                                            \
	int name(const char *path, int flags, ...)                                \
	{                                                                         \
		va_list list;                                                         \
		va_start(list, flags);                                                \
		mode_t mode = va_arg(list, mode_t);                                   \
		va_end(list);                                                         \
		return read_only(flags) ? -1 : REAL(name)(path, flags, mode);         \
	}
OPEN(open)
OPEN(open64)

int openat64(int folder, const char *path, int flags, ...)
{
	va_list list;
	va_start(list, flags);
	mode_t mode = va_arg(list, mode_t);
	va_end(list);
	return read_only(flags) ? -1 : REAL(openat64)(folder, path, flags, mode);
}

int rename(const char *from, const char *to) { return read_only(O_WRONLY) ? -1 : REAL(rename)(from, to); }
int unlink(const char *path) { return read_only(O_WRONLY) ? -1 : REAL(unlink)(path); }

int mkdir(const char *path, mode_t mode)
{
	struct stat there;
	return stat(path, &there) != 0 && read_only(O_WRONLY) ? -1 : REAL(mkdir)(path, mode);
}
