/* reload.c -- weighctl reload: let the daemon read its configuration again. */
#include "ctl/control.h"
#include "ctl/ctl.h"

static int show(const struct control_answer *answer, bool wants_json)
{
	const json_t *report = json_object_get(answer->root, "report");
	bool is_done = json_is_true(json_object_get(answer->root, "ok"));
	json_int_t generation = json_integer_value(json_object_get(answer->root, "generation"));

	if (wants_json) {
		puts(answer->line);
	} else if (is_done) {
		printf("reloaded: configuration %lld is in force\n", (long long)generation);
	} else {
		/* Line by line: each is escaped, the breaks stay. */
		struct span rest = span_of(json_string_value(report), json_string_length(report));
		struct span line;

		ctl_say("not reloaded, the configuration in force stays:");
		while (span_cut(&rest, '\n', &line)) {
			ctl_print_line(stderr, line);
			fputc('\n', stderr);
		}
	}
	return is_done ? EX_OK : EX_CONFIG;
}

static int reload_run(const struct verb *verb, int argc, char **argv)
{
	return control_verb_run(verb, argc, argv, SPAN("{\"verb\":\"reload\"}"), show);
}

const struct verb verb_reload = {
	.name = "reload",
	.summary = "let the running daemon read its configuration again",
	.usage = "[--control PATH] [-j]\n\n"
		 "The daemon reads its configuration again.  With mistakes in it nothing changes,\n"
		 "and they are shown.\n\n"
		 "  --control PATH   its control socket (" CTL_CONTROL_PATH ")\n"
		 "  -j, --json       as JSON\n\n"
		 "Exit: 0 done, 69 the daemon cannot be reached, 77 it may not be asked,\n"
		 "78 mistakes: the configuration in force stays.\n",
	.run = reload_run,
};
