/* doctor.c -- weighctl doctor: what is wrong here, and what cures it? */
#include "ctl/doctor.h"

#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/stat.h>

struct call_options {
	const char *config_path;
	const char *control_path; /* NULL: as the configuration says */
	char *postfix;            /* NULL: postconf's own */
	bool wants_json;
};

/* --- Postfix --- */

static void look_at_socket(struct span path, const struct postconf *postconf,
			   struct socket_facts *facts_out)
{
	TEXT(name, CONFIG_PATH_MAX);
	TEXT(owner, 256);
	TEXT(group, 256);
	const struct passwd *passwd;
	const struct group *entry;
	struct stat file;

	*facts_out = (struct socket_facts){ .path = path };
	text_add(&name, path);
	if (name.overrun || stat(text_cstr(&name), &file) != 0)
		return;
	text_add(&owner, postconf_get(postconf, NULL, SPAN("mail_owner")));
	text_add(&group, postconf_get(postconf, NULL, SPAN("mail_owner")));
	passwd = getpwnam(text_cstr(&owner));
	entry = getgrnam(text_cstr(&group));
	facts_out->is_there = true;
	facts_out->is_socket = S_ISSOCK(file.st_mode);
	facts_out->mode = file.st_mode & 07777;
	facts_out->is_postfix_owned =
		(passwd != NULL && file.st_uid == passwd->pw_uid && (file.st_mode & S_IWUSR)) ||
		(entry != NULL && file.st_gid == entry->gr_gid && (file.st_mode & S_IWGRP));
}

static void judge_texts(struct diagnosis *diagnosis, const struct config *config,
			struct span main_cf, struct span master_cf)
{
	struct postconf postconf;
	struct postfix_facts facts = { .config = config, .postconf = &postconf };

	if (postconf_parse(main_cf, master_cf, &diagnosis->arena, &postconf) != OK) {
		diagnose(diagnosis, SYMPTOM_NOTE, "postfix",
			 "Postfix: its configuration is too long to be looked at");
		return;
	}
	for (size_t i = 0; i < config->listener_count; i++)
		if (config->listener[i].is_unix)
			look_at_socket(config->listener[i].path, &postconf,
				       &facts.socket[facts.socket_count++]);
	judge_postfix(diagnosis, &facts);
}

/* What postconf said, both times. */
struct postfix_texts {
	struct output main_cf, master_cf;
};

static void look_at_postfix(struct diagnosis *diagnosis, const struct config *config,
			    const struct postfix_texts *texts)
{
	const struct output *main_cf = &texts->main_cf, *master_cf = &texts->master_cf;

	if (main_cf->status == OUTPUT_ABSENT) {
		diagnose(diagnosis, SYMPTOM_NOTE, "postfix",
			 "Postfix: postconf not found, so its configuration is not looked at");
		return;
	}
	if (main_cf->status != 0) {
		diagnose(diagnosis, SYMPTOM_FAIL, "postfix",
			 "Postfix: postconf -nf cannot tell the configuration%s",
			 main_cf->status == OUTPUT_UNENDED ? " in time" : "");
		if (main_cf->errors.len > 0)
			diagnosis_why(diagnosis, "%.*s", SPAN_ARG(main_cf->errors));
		diagnosis_fix(diagnosis, "correct main.cf; or name its directory: --postfix DIR");
		return;
	}
	judge_texts(diagnosis, config, main_cf->text,
		    master_cf->status == 0 ? master_cf->text : SPAN(""));
}

/* --- the rest --- */

static void look_at_dns(struct diagnosis *diagnosis, const struct config *config)
{
	struct dns_facts facts;
	const char *why;

	if (!doctor_ask_dns(config, &diagnosis->arena, &facts, &why)) {
		diagnose(diagnosis, SYMPTOM_FAIL, "resolver", "the DNS cannot be asked: %s", why);
		diagnosis_fix(diagnosis, "correct the statement resolver in weighd.conf");
		return;
	}
	doctor_probe(facts.resolver.probe, facts.resolver.probe_count);
	judge_resolver(diagnosis, &facts.resolver);
	/* Where nothing is answered, no list is to blame. */
	if (!facts.resolver.is_alive)
		return;
	for (size_t i = 0; i < facts.zone_count; i++)
		judge_zone(diagnosis, &facts.zone[i]);
}

/* What is asked first may be slow, so that time remains for the rest. */
static void look_at_all(struct diagnosis *diagnosis, const struct config *config,
			const struct call_options *options, struct host_facts *host)
{
	int64_t end_ms = doctor_clock_ms() + DOCTOR_MS;
	struct postfix_texts texts;

	doctor_run_postconf(options->postfix, &diagnosis->arena, &texts.main_cf, &texts.master_cf);
	look_at_dns(diagnosis, config);
	doctor_look_at_host(config, options->control_path, end_ms, &diagnosis->arena, host);
	judge_host(diagnosis, host);
	look_at_postfix(diagnosis, config, &texts);
}

static int examine(const struct config *config, const struct call_options *options)
{
	struct diagnosis *diagnosis = malloc(sizeof(*diagnosis));
	struct host_facts *host = malloc(sizeof(*host));
	int status = EX_OSERR;

	if (diagnosis != NULL && host != NULL) {
		diagnosis_init(diagnosis);
		look_at_all(diagnosis, config, options, host);
		status = diagnosis_needs(diagnosis) > 0 ? CTL_DIFFERS : EX_OK;
		if (!options->wants_json)
			diagnosis_print(diagnosis);
		else if (diagnosis_print_json(diagnosis) != EX_OK)
			status = EX_OSERR;
		diagnosis_release(diagnosis);
	}
	free(host);
	free(diagnosis);
	return status;
}

enum { OPTION_CONFIG = 256, OPTION_CONTROL, OPTION_POSTFIX };

static const struct option options[] = {
	CTL_LONG_OPTIONS,
	{ "config", required_argument, NULL, OPTION_CONFIG },
	{ "control", required_argument, NULL, OPTION_CONTROL },
	{ "postfix", required_argument, NULL, OPTION_POSTFIX },
	{ 0 },
};

static int doctor_run(const struct verb *verb, int argc, char **argv)
{
	struct call_options call = { .config_path = CTL_CONFIG_PATH };
	struct config *config;
	int option, status;

	while ((option = getopt_long(argc, argv, CTL_SHORT_OPTIONS, options, NULL)) != -1) {
		switch (option) {
		case 'h': return ctl_help(verb);
		case 'j': call.wants_json = true; break;
		case OPTION_CONFIG: call.config_path = optarg; break;
		case OPTION_CONTROL: call.control_path = optarg; break;
		case OPTION_POSTFIX: call.postfix = optarg; break;
		default: return ctl_wrong_option(verb);
		}
	}
	if (optind < argc)
		return ctl_usage(verb, "it takes options only");
	status = ctl_config(call.config_path, &config);
	if (status != EX_OK)
		return status;
	status = examine(config, &call);
	config_drop(config);
	return status;
}

const struct verb verb_doctor = {
	.name = "doctor",
	.summary = "find what is wrong around weighd, and what cures it",
	.usage =
		"[--config FILE] [--control PATH] [--postfix DIR] [-j]\n\n"
		"Examine who resolves, each DNS list that the policies ask, the clock, the daemon\n"
		"and its sockets, and how Postfix calls it.  Each finding has a number, a level\n"
		"(ok, note, WARN, FAIL) and its cure.  Nothing is changed.\n\n"
		"  --config FILE    the configuration (" CTL_CONFIG_PATH ")\n"
		"  --control PATH   the daemon's control socket (as configured)\n"
		"  --postfix DIR    of main.cf and master.cf (postconf's own)\n"
		"  -j, --json       as one JSON line\n\n"
		"Exit: 0 nothing needs you, 1 something does, 64 wrong call, 66 no such file,\n"
		"78 the configuration has mistakes (see weighctl check).\n",
	.run = doctor_run,
};
