/* doctor_host.c -- is this host, and the daemon on it, as it should be? */
#include "base/utc.h"
#include "ctl/doctor.h"
#include "daemon/listening.h"

enum {
	CLOCK_DIFFERENCE_MS = 2000,
	DESCRIPTORS_KEPT = 128, /* loops, resolvers, log, control */
};
#define CLOCK_MS_MIN INT64_C(1767225600000) /* 2026: this program was not there before */
#define CLOCK_MS_MAX INT64_C(4102444800000) /* 2100 */

static bool is_apart(int64_t a_ms, int64_t b_ms)
{
	return a_ms > b_ms + CLOCK_DIFFERENCE_MS || b_ms > a_ms + CLOCK_DIFFERENCE_MS;
}

static void judge_clock(struct diagnosis *diagnosis, const struct host_facts *facts)
{
	int64_t daemon_ms = facts->daemon.daemon_ms;
	TEXT(now, 32);

	text_add_utc(&now, facts->now_ms);
	if (facts->now_ms < CLOCK_MS_MIN || facts->now_ms > CLOCK_MS_MAX) {
		diagnose(diagnosis, SYMPTOM_FAIL, "clock", "the clock says %s", text_cstr(&now));
		diagnosis_why(diagnosis, "what weighd remembers expires at once, or never");
		diagnosis_fix(diagnosis, "timedatectl set-ntp true");
		return;
	}
	if (daemon_ms != 0 && is_apart(daemon_ms, facts->now_ms)) {
		diagnose(diagnosis, SYMPTOM_FAIL, "clock",
			 "the daemon's clock differs from ours by %lld s",
			 (long long)(daemon_ms - facts->now_ms) / 1000);
		diagnosis_fix(diagnosis, "systemctl restart weighd; then look who sets the clock");
		return;
	}
	diagnose(diagnosis, SYMPTOM_OK, "clock", "the clock says %s", text_cstr(&now));
}

/* --- the daemon --- */

static void judge_config(struct diagnosis *diagnosis, const struct daemon_facts *daemon)
{
	if (!span_equal(daemon->config_path, daemon->our_config_path)) {
		diagnose(diagnosis, SYMPTOM_NOTE, "daemon",
			 "the daemon runs by %.*s, here %.*s was read",
			 SPAN_ARG(daemon->config_path), SPAN_ARG(daemon->our_config_path));
		return;
	}
	if (daemon->loaded_ms == 0 || daemon->changed_ms <= daemon->loaded_ms) {
		diagnose(diagnosis, SYMPTOM_OK, "daemon",
			 "the daemon runs by %.*s, generation %lld", SPAN_ARG(daemon->config_path),
			 (long long)daemon->generation);
		return;
	}
	diagnose(diagnosis, SYMPTOM_WARN, "daemon",
		 "the configuration has changed since the daemon read it (generation %lld)",
		 (long long)daemon->generation);
	diagnosis_fix(diagnosis, "weighctl reload");
}

static void judge_descriptors(struct diagnosis *diagnosis, const struct host_facts *facts)
{
	int64_t wanted = facts->config->limits.connections + DESCRIPTORS_KEPT;

	if (facts->daemon.descriptors == 0)
		return;
	if (facts->daemon.descriptors >= wanted) {
		diagnose(diagnosis, SYMPTOM_OK, "files",
			 "the daemon may open %lld files, enough for %lld connections",
			 (long long)facts->daemon.descriptors,
			 (long long)facts->config->limits.connections);
		return;
	}
	diagnose(diagnosis, SYMPTOM_WARN, "files",
		 "the daemon may open %lld files, too few for %lld connections",
		 (long long)facts->daemon.descriptors,
		 (long long)facts->config->limits.connections);
	diagnosis_fix(diagnosis,
		      "LimitNOFILE=%lld in its systemd unit, or limits { connections "
		      "%lld } in weighd.conf",
		      (long long)wanted * 2,
		      facts->daemon.descriptors > 2 * DESCRIPTORS_KEPT
			      ? (long long)facts->daemon.descriptors - DESCRIPTORS_KEPT
			      : (long long)facts->daemon.descriptors / 2);
}

static void judge_daemon(struct diagnosis *diagnosis, const struct host_facts *facts)
{
	const struct daemon_facts *daemon = &facts->daemon;

	if (daemon->control_path.len == 0 && facts->config->listener_count == 0) {
		diagnose(diagnosis, SYMPTOM_NOTE, "daemon",
			 "the configuration listens nowhere: it is for weighd --stdio");
		return;
	}
	if (daemon->control_path.len == 0) {
		diagnose(diagnosis, SYMPTOM_WARN, "daemon",
			 "the configuration has no control socket: the daemon cannot be asked");
		diagnosis_fix(diagnosis, "control %s in weighd.conf", CTL_CONTROL_PATH);
		return;
	}
	if (daemon->is_denied) {
		diagnose(diagnosis, SYMPTOM_NOTE, "daemon",
			 "the daemon at %.*s may be asked by root and its own user only",
			 SPAN_ARG(daemon->control_path));
		return;
	}
	if (!daemon->is_reached) {
		diagnose(diagnosis, SYMPTOM_FAIL, "daemon", "no daemon answers at %.*s",
			 SPAN_ARG(daemon->control_path));
		diagnosis_fix(diagnosis, "systemctl start weighd; or name its socket with "
					 "--control");
		return;
	}
	judge_config(diagnosis, daemon);
	judge_descriptors(diagnosis, facts);
}

/* --- sockets --- */

static void judge_listener(struct diagnosis *diagnosis, const struct listener_facts *facts)
{
	TEXT(where, LISTENER_TEXT_MAX);

	text_add_listener(&where, facts->listener);
	switch (facts->said) {
	case LISTENER_ANSWERS:
		diagnose(diagnosis, SYMPTOM_OK, "socket", "%s answers", text_cstr(&where));
		return;
	case LISTENER_DENIED:
		diagnose(diagnosis, SYMPTOM_NOTE, "socket", "%s: we may not connect",
			 text_cstr(&where));
		return;
	case LISTENER_ABSENT:
		diagnose(diagnosis, SYMPTOM_FAIL, "socket", "nobody listens at %s",
			 text_cstr(&where));
		diagnosis_fix(diagnosis, "systemctl start weighd, or weighctl reload");
		return;
	case LISTENER_SILENT:
		diagnose(diagnosis, SYMPTOM_FAIL, "socket", "%s does not answer",
			 text_cstr(&where));
		diagnosis_fix(diagnosis, "systemctl restart weighd, and read its log");
		return;
	case LISTENER_ODD: break;
	}
	diagnose(diagnosis, SYMPTOM_FAIL, "socket", "%s: somebody else answers there",
		 text_cstr(&where));
	diagnosis_fix(diagnosis, "another port in weighd.conf and in Postfix, or end the other "
				 "program");
}

/* --- the policies --- */

static void judge_mode(struct diagnosis *diagnosis, const struct host_facts *facts)
{
	bool is_observing =
		facts->daemon.is_reached ? facts->daemon.is_observing : facts->config->observe;

	if (is_observing)
		diagnose(diagnosis, SYMPTOM_NOTE, "policy",
			 "mode observe: all is judged and recorded, nothing is refused; when the "
			 "log is as you want it, write mode enforce");
}

/* permit skips what comes behind it in Postfix. */
static void judge_permits(struct diagnosis *diagnosis, const struct config *config)
{
	for (size_t i = 0; i < config->policy_count; i++)
		for (size_t k = 0; k < config->policy[i]->statement_count; k++) {
			const struct statement *statement = &config->policy[i]->statement[k];

			if (statement->kind != STATEMENT_VERDICT ||
			    statement->verdict != VERDICT_PERMIT)
				continue;
			diagnose(
				diagnosis, SYMPTOM_NOTE, "policy",
				"%.*s:%u: permit lets mail skip all later restrictions of Postfix; "
				"pass does not",
				SPAN_ARG(statement->origin.file), statement->origin.line);
		}
}

void judge_host(struct diagnosis *diagnosis, const struct host_facts *facts)
{
	judge_clock(diagnosis, facts);
	judge_daemon(diagnosis, facts);
	for (size_t i = 0; i < facts->listener_count; i++)
		judge_listener(diagnosis, &facts->listener[i]);
	judge_mode(diagnosis, facts);
	judge_permits(diagnosis, facts->config);
}
