/* status.c -- how the daemon is, as JSON. */
#include "base/emit.h"
#include "daemon/clock.h"
#include "daemon/daemon_priv.h"
#include "daemon/state_desk.h"

#include <stdio.h>
#include <unistd.h>

static void emit_member(struct emit *emit, const char *name, uint64_t number)
{
	emit_key(emit, span_cstr(name));
	emit_int(emit, (int64_t)number);
}

static void emit_sockets(struct emit *emit, const struct daemon *daemon)
{
	emit_key(emit, SPAN("listeners"));
	emit_begin(emit, '[');
	for (uint8_t i = 0; i < daemon->socket_count; i++) {
		const struct open_socket *socket = &daemon->socket[i];
		TEXT(where, LISTENER_TEXT_MAX);

		text_add_listening(&where, &socket->listening);
		text_add(&where, SPAN(" policy "));
		text_add(&where, socket->listener.policy->name);
		emit_text(emit, text_span(&where));
	}
	emit_end(emit, ']');
}

static void add_front(struct front_figures *sum, const struct front_figures *figures)
{
#define FIGURE(name) sum->name += figures->name;
	FRONT_FIGURES(FIGURE)
#undef FIGURE
}

static void add_exim(struct exim_figures *sum, const struct exim_figures *figures)
{
#define FIGURE(name) sum->name += figures->name;
	EXIM_FIGURES(FIGURE)
#undef FIGURE
}

static void add_scale(struct scale_figures *sum, const struct scale_figures *figures)
{
#define FIGURE(name) sum->name += figures->name;
	SCALE_FIGURES(FIGURE)
#undef FIGURE
}

static void add_dns(struct dns_figures *sum, const struct dns_figures *figures)
{
	sum->asked += figures->asked;
	sum->joined += figures->joined;
	sum->recalled += figures->recalled;
	sum->failed += figures->failed;
	sum->in_flight += figures->in_flight;
	/* The cache is one for all. */
	sum->cache_entries = figures->cache_entries;
	sum->cache_bytes = figures->cache_bytes;
}

static void gather(struct daemon *daemon, struct worker_figures *sum)
{
	*sum = (struct worker_figures){ 0 };
	for (uint16_t i = 0; i < daemon->worker_count; i++) {
		struct worker_figures figures;

		worker_figures(daemon->worker[i], &figures);
		add_front(&sum->front, &figures.front);
		add_exim(&sum->exim, &figures.exim);
		add_scale(&sum->scale, &figures.scale);
		add_dns(&sum->dns, &figures.dns);
		for (int k = 0; k < VERDICT_COUNT; k++)
			sum->verdict[k] += figures.verdict[k];
	}
}

static void emit_figures(struct emit *emit, const struct worker_figures *figures)
{
	emit_key(emit, SPAN("front"));
	emit_begin(emit, '{');
#define FIGURE(name) emit_member(emit, #name, figures->front.name);
	FRONT_FIGURES(FIGURE)
#undef FIGURE
	emit_end(emit, '}');
	emit_key(emit, SPAN("greylistd"));
	emit_begin(emit, '{');
#define FIGURE(name) emit_member(emit, #name, figures->exim.name);
	EXIM_FIGURES(FIGURE)
#undef FIGURE
	emit_end(emit, '}');
	emit_key(emit, SPAN("attempts"));
	emit_begin(emit, '{');
#define FIGURE(name) emit_member(emit, #name, figures->scale.name);
	SCALE_FIGURES(FIGURE)
#undef FIGURE
	emit_end(emit, '}');
	emit_key(emit, SPAN("verdicts"));
	emit_begin(emit, '{');
	for (int i = 0; i < VERDICT_COUNT; i++) {
		emit_key(emit, verdict_name((enum verdict_kind)i));
		emit_int(emit, (int64_t)figures->verdict[i]);
	}
	emit_end(emit, '}');
}

static void emit_dns(struct emit *emit, const struct dns_figures *dns)
{
	emit_key(emit, SPAN("dns"));
	emit_begin(emit, '{');
	emit_member(emit, "asked", dns->asked);
	emit_member(emit, "joined", dns->joined);
	emit_member(emit, "recalled", dns->recalled);
	emit_member(emit, "failed", dns->failed);
	emit_member(emit, "in_flight", dns->in_flight);
	emit_member(emit, "cache_entries", dns->cache_entries);
	emit_member(emit, "cache_bytes", dns->cache_bytes);
	emit_end(emit, '}');
}

/* What of us is in memory: proc(5), the second number of statm, in pages. */
static uint64_t resident_bytes(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	unsigned long long pages = 0;

	if (file == NULL)
		return 0;
	if (fscanf(file, "%*u %llu", &pages) != 1)
		pages = 0;
	fclose(file);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

char *daemon_status(struct daemon *daemon)
{
	struct worker_figures figures;
	struct emit emit = { 0 };
	uint64_t zones, parked;

	gather(daemon, &figures);
	emit_begin(&emit, '{');
	emit_key(&emit, SPAN("ok"));
	emit_bool(&emit, true);
	emit_key(&emit, SPAN("version"));
	emit_text(&emit, span_cstr(daemon_version));
	emit_member(&emit, "pid", (uint64_t)getpid());
	emit_member(&emit, "uptime_s", (clock_us() - daemon->began_us) / 1000000);
	emit_member(&emit, "time_ms", (uint64_t)clock_wall_ms());
	emit_key(&emit, SPAN("config"));
	emit_text(&emit, daemon->config->path);
	emit_member(&emit, "generation", daemon->config->generation);
	emit_member(&emit, "loaded_ms", (uint64_t)daemon->loaded_ms);
	emit_key(&emit, SPAN("mode"));
	emit_text(&emit, daemon->config->observe ? SPAN("observe") : SPAN("enforce"));
	emit_member(&emit, "workers", daemon->worker_count);
	emit_sockets(&emit, daemon);
	emit_member(&emit, "requests", figures.front.requests);
	emit_member(&emit, "connections", figures.front.connections);
	emit_figures(&emit, &figures);
	emit_dns(&emit, &figures.dns);
	emit_key(&emit, SPAN("store"));
	state_emit_figures(&emit, daemon->shared.store);
	if (daemon->store_fault[0] != '\0') {
		emit_key(&emit, SPAN("store_fault"));
		emit_text(&emit, span_cstr(daemon->store_fault));
	}
	zone_watch_count(daemon->zones, &zones, &parked);
	emit_member(&emit, "zones", zones);
	emit_member(&emit, "zones_parked", parked);
	emit_member(&emit, "memory_bytes", resident_bytes());
	emit_member(&emit, "reloads", daemon->reloads);
	emit_member(&emit, "failed_reloads", daemon->failed_reloads);
	emit_member(&emit, "log_lines_dropped", log_dropped(daemon->shared.log));
	if (daemon->shared.notices != NULL)
		emit_member(&emit, "notices_dropped", notice_dropped(daemon->shared.notices));
	emit_end(&emit, '}');
	return emit_take(&emit);
}
