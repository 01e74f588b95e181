/* privileges.c -- who we are, what we may, how much we need. */
#include "daemon/privileges.h"

#include <dirent.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum { USER_NAME_MAX = 256, DESCRIPTORS_GUESS = 64 };

enum err privileges_owner(struct span user, struct text *why, struct owner *owner_out)
{
	TEXT(name, USER_NAME_MAX);
	const struct passwd *entry;

	*owner_out = (struct owner){ geteuid(), getegid() };
	if (user.len == 0)
		return OK;
	text_add(&name, user);
	entry = name.overrun ? NULL : getpwnam(text_cstr(&name));
	if (entry == NULL) {
		text_add(why, SPAN("there is no user "));
		text_add(why, user);
		return ERR_MISSING;
	}
	*owner_out = (struct owner){ entry->pw_uid, entry->pw_gid };
	return OK;
}

bool privileges_become(const char *name, const struct owner *owner)
{
	uid_t uid[3];
	gid_t gid[3];

	if (initgroups(name, owner->gid) != 0 ||
	    setresgid(owner->gid, owner->gid, owner->gid) != 0 ||
	    setresuid(owner->uid, owner->uid, owner->uid) != 0)
		return false;
	if (getresuid(&uid[0], &uid[1], &uid[2]) != 0 || getresgid(&gid[0], &gid[1], &gid[2]) != 0)
		return false;
	for (int i = 0; i < 3; i++)
		if (uid[i] != owner->uid || gid[i] != owner->gid)
			return false;
	/* There must be no way back. */
	return owner->uid == 0 || setuid(0) != 0;
}

enum err privileges_drop(struct span user, const struct owner *owner, struct text *why)
{
	TEXT(name, USER_NAME_MAX);

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
		text_add(why, SPAN("the kernel does not know no_new_privs"));
		return ERR_SYSTEM;
	}
	if (user.len == 0 || geteuid() != 0)
		return OK;
	text_add(&name, user);
	if (!privileges_become(text_cstr(&name), owner) ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
		text_add(why, SPAN("cannot become user "));
		text_add(why, user);
		return ERR_SYSTEM;
	}
	return OK;
}

uint64_t descriptors_raise(uint64_t wanted)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return wanted;
	if (limit.rlim_cur >= wanted)
		return limit.rlim_cur;
	if (limit.rlim_max < wanted) {
		struct rlimit higher = { wanted, wanted };

		if (setrlimit(RLIMIT_NOFILE, &higher) == 0)
			return wanted;
	}
	limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
		getrlimit(RLIMIT_NOFILE, &limit);
	return limit.rlim_cur;
}

uint64_t descriptors_open(void)
{
	DIR *directory = opendir("/proc/self/fd");
	uint64_t count = 0;

	/* Of a process that gave up its rights, the kernel shows nothing: proc(5). */
	if (directory == NULL)
		return DESCRIPTORS_GUESS;
	while (readdir(directory) != NULL)
		count++;
	closedir(directory);
	return count;
}
