/* main.c -- weighd: options. */
#include "base/number.h"
#include "daemon/daemon.h"
#include "daemon/worker.h"

#include <getopt.h>
#include <stdio.h>
#include <sysexits.h>

static const char usage[] =
	"usage: weighd [--config FILE] [--workers N]\n"
	"       weighd --stdio [--config FILE] [--policy NAME]\n"
	"       weighd --check [--config FILE]\n"
	"\n"
	"  --config FILE   read FILE; without it, the configuration that is built in\n"
	"  --workers N     event loops; without it, as configured, or one a core\n"
	"  --stdio         serve one client on standard input and output, for spawn(8)\n"
	"  --policy NAME   with --stdio: this policy; without it, that of the first listener\n"
	"  --check         read the configuration, say what is wrong with it, and end\n"
	"  --version       say the version, and end\n"
	"  --help          say this, and end\n"
	"\n"
	"weighd stays in the foreground.  SIGHUP reads the configuration again, SIGTERM and\n"
	"SIGINT end it after running requests are answered.\n";

enum { OPTION_CONFIG = 1000, OPTION_WORKERS, OPTION_STDIO, OPTION_POLICY, OPTION_CHECK };

static const struct option long_options[] = {
	{ "config", required_argument, NULL, OPTION_CONFIG },
	{ "workers", required_argument, NULL, OPTION_WORKERS },
	{ "stdio", no_argument, NULL, OPTION_STDIO },
	{ "policy", required_argument, NULL, OPTION_POLICY },
	{ "check", no_argument, NULL, OPTION_CHECK },
	{ "foreground", no_argument, NULL, 'f' }, /* the only way there is */
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static bool read_workers(const char *text, int *workers_out)
{
	int64_t number;

	if (number_parse(span_cstr(text), &number) != OK || number < 1 || number > WORKERS_MAX) {
		fprintf(stderr, "weighd: --workers wants a number from 1 to %d\n", WORKERS_MAX);
		return false;
	}
	*workers_out = (int)number;
	return true;
}

int main(int argc, char **argv)
{
	struct daemon_options options = { 0 };
	int option;

	while ((option = getopt_long(argc, argv, "c:fhV", long_options, NULL)) != -1) {
		switch (option) {
		case 'c':
		case OPTION_CONFIG: options.config_path = optarg; break;
		case OPTION_WORKERS:
			if (!read_workers(optarg, &options.workers))
				return EX_USAGE;
			break;
		case OPTION_STDIO: options.is_stdio = true; break;
		case OPTION_POLICY: options.policy = optarg; break;
		case OPTION_CHECK: options.is_check = true; break;
		case 'f': break;
		case 'V': return printf("weighd %s\n", daemon_version) < 0 ? EX_IOERR : EX_OK;
		case 'h': return fputs(usage, stdout) < 0 ? EX_IOERR : EX_OK;
		default: fputs(usage, stderr); return EX_USAGE;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "weighd: what is %s?\n%s", argv[optind], usage);
		return EX_USAGE;
	}
	return daemon_run(&options);
}
