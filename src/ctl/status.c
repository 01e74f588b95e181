/* status.c -- weighctl status: how is the daemon? */
#include "ctl/control.h"
#include "ctl/ctl.h"

enum { NAME_COLUMNS = 28 };

static void print_value(const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_STRING:
		ctl_print(stdout, span_of(json_string_value(value), json_string_length(value)));
		break;
	case JSON_INTEGER: printf("%lld", (long long)json_integer_value(value)); break;
	case JSON_REAL: printf("%.15g", json_real_value(value)); break;
	case JSON_TRUE: fputs("yes", stdout); break;
	case JSON_FALSE: fputs("no", stdout); break;
	case JSON_NULL:
	case JSON_ARRAY:
	case JSON_OBJECT: fputs("-", stdout); break;
	}
}

/* Members one a line; those of an object or a list below it, further in. */
static void print_object(const json_t *object, int depth);

static void print_member(struct span name, const json_t *value, int depth)
{
	int indent = 2 * depth;
	int columns = NAME_COLUMNS - indent - (int)span_first(name, NAME_COLUMNS).len;

	printf("%*s", indent, "");
	ctl_print(stdout, name);
	if (json_is_object(value)) {
		putchar('\n');
		print_object(value, depth + 1);
	} else {
		printf("%*s", columns > 1 ? columns : 1, "");
		print_value(value);
		putchar('\n');
	}
}

/* Two levels are what a status has; deeper ones are not shown. */
static void print_object(const json_t *object, int depth)
{
	enum { DEPTH_MAX = 4 };
	const char *name;
	json_t *value, *item;
	size_t i;

	if (depth > DEPTH_MAX)
		return;
	json_object_foreach ((json_t *)object, name, value) {
		if (!json_is_array(value)) {
			print_member(span_cstr(name), value, depth);
			continue;
		}
		json_array_foreach (value, i, item) {
			print_member(span_cstr(name), item, depth);
		}
	}
}

/* Below the figures, of which there are many: what somebody should look at. */
static void print_store(const json_t *status)
{
	const json_t *store = json_object_get(status, "store");
	const json_t *fault = json_object_get(status, "store_fault");

	if (fault != NULL) {
		fputs("\nThe store is not used, and until the next start all is remembered in "
		      "memory only: ",
		      stdout);
		print_value(fault);
		putchar('\n');
	}
	if (json_integer_value(json_object_get(store, "is_down")) != 0)
		puts("\nThe store is down: weighctl store check");
}

static int show(const struct control_answer *answer, bool wants_json)
{
	if (wants_json) {
		puts(answer->line);
		return EX_OK;
	}
	print_object(answer->root, 0);
	print_store(answer->root);
	return EX_OK;
}

static int status_run(const struct verb *verb, int argc, char **argv)
{
	return control_verb_run(verb, argc, argv, SPAN("{\"verb\":\"status\"}"), show);
}

const struct verb verb_status = {
	.name = "status",
	.summary = "show how the running daemon is",
	.usage = "[--control PATH] [-j]\n\n"
		 "Ask the running daemon for its figures and print them, one a line.\n\n"
		 "  --control PATH   its control socket (" CTL_CONTROL_PATH ")\n"
		 "  -j, --json       as JSON\n\n"
		 "Exit: 0 done, 69 the daemon cannot be reached, 77 it may not be asked.\n",
	.run = status_run,
};
