/* wallclock.c -- a wall clock that a test can set, for a program that knows nothing of it.
 *
 *	LD_PRELOAD=wallclock.so WALLCLOCK=FILE PROGRAM
 *
 * FILE holds one int64_t, in the order of this machine: the milliseconds by which the wall clock
 * is off.  Whoever writes there makes it jump.  Monotonic clocks are as ever.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *off_ms;

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("WALLCLOCK");
	int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	void *page;

	if (fd < 0)
		abort();
	page = mmap(NULL, sizeof(*off_ms), PROT_READ, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		abort();
	off_ms = page;
	close(fd);
}

int clock_gettime(clockid_t clock, struct timespec *time)
{
	int result = (int)syscall(SYS_clock_gettime, clock, time);
	int64_t ms = off_ms == NULL ? 0 : *off_ms;

	if (result != 0 || (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE))
		return result;
	time->tv_sec += ms / 1000;
	time->tv_nsec += ms % 1000 * 1000000;
	if (time->tv_nsec >= 1000000000) {
		time->tv_nsec -= 1000000000;
		time->tv_sec++;
	} else if (time->tv_nsec < 0) {
		time->tv_nsec += 1000000000;
		time->tv_sec--;
	}
	return 0;
}

time_t time(time_t *time_out)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (time_out != NULL)
		*time_out = now.tv_sec;
	return now.tv_sec;
}

int gettimeofday(struct timeval *restrict time_out, void *restrict zone)
{
	struct timespec now;

	(void)zone;
	clock_gettime(CLOCK_REALTIME, &now);
	*time_out = (struct timeval){ now.tv_sec, now.tv_nsec / 1000 };
	return 0;
}
