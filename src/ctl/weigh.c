/* weigh.c -- weighctl weigh: what would be decided about this attempt, and why? */
#include "base/emit.h"
#include "ctl/control.h"
#include "ctl/ctl.h"
#include "ctl/explain.h"
#include "ctl/live.h"
#include "ctl/resolver.h"
#include "serve/policy_request.h"
#include "weigh/case.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct weigh {
	/* asked for */
	const char *config_path, *policy_name, *control_path, *resolver_text;
	bool wants_json;
	/* held */
	struct arena arena;
	struct attempt attempt;
};

/* --- the attempt --- */

static int say_attribute(const struct verb *verb, const char *word)
{
	fprintf(stderr, "weighctl %s: '", verb->name);
	ctl_print(stderr, span_cstr(word));
	fputs("' is no NAME=VALUE with a name of Postfix's policy protocol, like\n"
	      "client_address=192.0.2.1 helo_name=mx.example.org sender=a@example.org\n",
	      stderr);
	return EX_USAGE;
}

static int attempt_from_words(const struct verb *verb, struct weigh *weigh, char **words, int count)
{
	for (int i = 0; i < count; i++) {
		struct span word = span_cstr(words[i]);
		size_t equals = span_find(word, '=');
		enum attribute attribute;

		if (equals == word.len || !attribute_find(span_first(word, equals), &attribute))
			return say_attribute(verb, words[i]);
		weigh->attempt.attribute[attribute] = span_from(word, equals + 1);
	}
	return EX_OK;
}

/* All of standard input, ended by an empty line or its end.  @return bytes, or SIZE_MAX */
static size_t read_request(char *at, size_t room)
{
	size_t len = 0;

	while (len < room) {
		ssize_t count = read(STDIN_FILENO, at + len, room - len);

		if (count < 0 && errno != EINTR)
			return SIZE_MAX;
		if (count == 0)
			break;
		if (count > 0)
			len += (size_t)count;
		if (span_has(span_of(at, len), SPAN("\n\n")))
			break;
	}
	return len;
}

static int attempt_from_input(struct weigh *weigh)
{
	static char bytes[REQUEST_BYTES_MAX + 2];
	const struct request_limits limits = { 8192, 128 };
	struct framing framing = { 0 };
	size_t len = read_request(bytes, REQUEST_BYTES_MAX);

	if (len == SIZE_MAX) {
		ctl_say("standard input: %s", strerror(errno));
		return EX_NOINPUT;
	}
	/* A request of a person or a script may lack its last line's end and the empty line. */
	memcpy(bytes + len, "\n\n", 2);
	if (framing_scan(&framing, &limits, span_of(bytes, len + 2)) != FRAMING_COMPLETE) {
		ctl_say("standard input: the request is too long");
		return EX_DATAERR;
	}
	if (request_read(span_of(bytes, framing.line_begin), &weigh->arena, &weigh->attempt) !=
	    OK) {
		ctl_say("standard input: the request is too large");
		return EX_DATAERR;
	}
	return EX_OK;
}

static bool is_given(const struct attempt *attempt, enum attribute attribute)
{
	return attempt->attribute[attribute].at != NULL;
}

/* What Postfix always sends need not be typed. */
static int complete_attempt(struct weigh *weigh)
{
	struct attempt *attempt = &weigh->attempt;

	if (!is_given(attempt, ATTRIBUTE_client_address) && !is_given(attempt, ATTRIBUTE_sender) &&
	    !is_given(attempt, ATTRIBUTE_recipient) && !is_given(attempt, ATTRIBUTE_helo_name)) {
		ctl_say("nothing to weigh: give client_address=, helo_name=, sender= or "
			"recipient=");
		return EX_USAGE;
	}
	if (!is_given(attempt, ATTRIBUTE_request))
		attempt->attribute[ATTRIBUTE_request] = SPAN("smtpd_access_policy");
	if (!is_given(attempt, ATTRIBUTE_protocol_state))
		attempt->attribute[ATTRIBUTE_protocol_state] = SPAN("RCPT");
	if (!is_given(attempt, ATTRIBUTE_client_name))
		attempt->attribute[ATTRIBUTE_client_name] = SPAN("unknown");
	return EX_OK;
}

/* --- asking --- */

static int weigh_alone(struct weigh *weigh, char **line_out)
{
	struct config *config = NULL;
	struct live_options options;
	int status = ctl_config(weigh->config_path, &config);

	if (status != EX_OK)
		return status;
	options.config = config;
	options.policy = ctl_policy(config, weigh->policy_name);
	if (options.policy == NULL) {
		status = weigh->policy_name != NULL ? EX_USAGE : EX_CONFIG;
	} else if (weigh->resolver_text != NULL &&
		   !ctl_resolver_parse(span_cstr(weigh->resolver_text), &config->resolver)) {
		ctl_say(CTL_RESOLVER_WANTED);
		status = EX_USAGE;
	} else {
		status = live_weigh(&options, &weigh->attempt, line_out);
	}
	config_drop(config);
	return status;
}

static char *request_line(const struct weigh *weigh)
{
	struct emit emit = { 0 };

	emit_begin(&emit, '{');
	emit_key(&emit, SPAN("verb"));
	emit_text(&emit, SPAN("weigh"));
	if (weigh->policy_name != NULL) {
		emit_key(&emit, SPAN("policy"));
		emit_text(&emit, span_cstr(weigh->policy_name));
	}
	case_emit_attempt(&emit, &weigh->attempt);
	emit_end(&emit, '}');
	return emit_take(&emit);
}

static int weigh_by_daemon(struct weigh *weigh, char **line_out)
{
	const char *path = weigh->control_path != NULL ? weigh->control_path : CTL_CONTROL_PATH;
	char *request = request_line(weigh);
	struct control_answer answer;
	int status;

	if (request == NULL)
		return EX_OSERR;
	status = control_ask(path, span_cstr(request), &answer);
	free(request);
	if (status == EX_UNAVAILABLE && weigh->control_path == NULL)
		fputs("Without a daemon: weighctl weigh --config FILE ...\n", stderr);
	if (status != EX_OK)
		return status;
	*line_out = answer.line;
	answer.line = NULL;
	control_answer_release(&answer);
	return EX_OK;
}

static int weigh_and_show(struct weigh *weigh)
{
	char *line = NULL;
	int status = weigh->config_path != NULL ? weigh_alone(weigh, &line)
						: weigh_by_daemon(weigh, &line);

	if (status != EX_OK)
		return status;
	if (weigh->wants_json) {
		puts(line);
	} else if (!explain_print(stdout, span_cstr(line))) {
		ctl_say("the daemon's answer has no explanation");
		status = EX_PROTOCOL;
	}
	free(line);
	return status;
}

/* --- the verb --- */

enum { OPTION_CONFIG = 256, OPTION_POLICY, OPTION_CONTROL, OPTION_RESOLVER };

static const struct option options[] = {
	CTL_LONG_OPTIONS,
	{ "config", required_argument, NULL, OPTION_CONFIG },
	{ "policy", required_argument, NULL, OPTION_POLICY },
	{ "control", required_argument, NULL, OPTION_CONTROL },
	{ "resolver", required_argument, NULL, OPTION_RESOLVER },
	{ 0 },
};

static bool take_option(struct weigh *weigh, int option)
{
	switch (option) {
	case 'j': weigh->wants_json = true; return true;
	case OPTION_CONFIG: weigh->config_path = optarg; return true;
	case OPTION_POLICY: weigh->policy_name = optarg; return true;
	case OPTION_CONTROL: weigh->control_path = optarg; return true;
	case OPTION_RESOLVER: weigh->resolver_text = optarg; return true;
	default: return false;
	}
}

static int weigh_run(const struct verb *verb, int argc, char **argv)
{
	struct weigh weigh = { 0 };
	int option, status;

	while ((option = getopt_long(argc, argv, CTL_SHORT_OPTIONS, options, NULL)) != -1) {
		if (option == 'h')
			return ctl_help(verb);
		if (!take_option(&weigh, option))
			return ctl_wrong_option(verb);
	}
	if (weigh.control_path != NULL && weigh.config_path != NULL)
		return ctl_usage(verb, "either --control or --config");
	if (weigh.control_path != NULL && weigh.resolver_text != NULL)
		return ctl_usage(verb, "--resolver is for --config; the daemon has its own");
	if (weigh.resolver_text != NULL && weigh.config_path == NULL)
		weigh.config_path = CTL_CONFIG_PATH;
	arena_init(&weigh.arena, 1024 * 1024);
	if (optind < argc)
		status = attempt_from_words(verb, &weigh, argv + optind, argc - optind);
	else if (isatty(STDIN_FILENO))
		status = ctl_usage(verb, "no NAME=VALUE is given");
	else
		status = attempt_from_input(&weigh);
	if (status == EX_OK)
		status = complete_attempt(&weigh);
	if (status == EX_OK)
		status = weigh_and_show(&weigh);
	arena_release(&weigh.arena);
	return status;
}

const struct verb verb_weigh = {
	.name = "weigh",
	.summary = "weigh one attempt now and explain the decision",
	.usage = "[OPTION ...] [NAME=VALUE ...]\n\n"
		 "Weigh one attempt and show why it is decided so: points with their line of the\n"
		 "configuration, answers, what failed, what was not asked.  Attributes have\n"
		 "Postfix's names; without any, they are read from standard input, one a line.\n\n"
		 "  --control PATH    ask the daemon there (" CTL_CONTROL_PATH ")\n"
		 "  --config FILE     without a daemon, by this configuration\n"
		 "  --policy NAME     by this policy; else by the first\n"
		 "  --resolver WHO    without a daemon, ask ADDRESS[:PORT], system or recursive\n"
		 "  -j, --json        as one JSON line, with all facts: a case for weighctl "
		 "replay\n\n"
		 "Example: weighctl weigh client_address=192.0.2.1 helo_name=mx.example.org \\\n"
		 "             sender=anna@example.org recipient=bert@example.net\n\n"
		 "Exit: 0 weighed, 64 wrong call, 69 the daemon cannot be reached, 78 mistakes in\n"
		 "the configuration.\n",
	.run = weigh_run,
};
