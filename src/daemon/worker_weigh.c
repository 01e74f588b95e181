/* worker_weigh.c -- what the fronts of a worker ask for: places, weighing, notes. */
#include "base/escape.h"
#include "daemon/decision_number.h"
#include "daemon/worker_priv.h"
#include "effects/decision.h"
#include "weigh/answer.h"

static const enum log_kind kind_of_note[NOTE_COUNT] = {
	[NOTE_LINE] = KIND_LINE_LIMIT,
	[NOTE_NAME] = KIND_NAME_LIMIT,
	[NOTE_ATTRIBUTES] = KIND_ATTRIBUTES_LIMIT,
	[NOTE_REQUEST] = KIND_REQUEST_LIMIT,
	[NOTE_CONNECTIONS] = KIND_CONNECTIONS_LIMIT,
	[NOTE_SOURCE] = KIND_SOURCE_LIMIT,
	[NOTE_DESCRIPTORS] = KIND_DESCRIPTORS,
	[NOTE_UNFINISHED] = KIND_UNFINISHED,
	[NOTE_UNREAD] = KIND_UNREAD,
	[NOTE_OVERLOAD] = KIND_OVERLOAD,
	[NOTE_KIND] = KIND_OTHER_REQUEST,
};

static const char *const text_of_note[NOTE_COUNT] = {
	[NOTE_LINE] = "a line is longer than limits line_bytes; closed without an answer",
	[NOTE_NAME] = "the name of an attribute is longer than 64 bytes; closed without an answer",
	[NOTE_ATTRIBUTES] = "there are more attributes than limits attributes; closed without an "
			    "answer",
	[NOTE_REQUEST] = "a request is longer than 64 KiB; closed without an answer",
	[NOTE_CONNECTIONS] = "limits connections is reached and none is idle; closed",
	[NOTE_SOURCE] = "limits connections_per_source is reached and none is idle; closed",
	[NOTE_DESCRIPTORS] = "the system has no descriptor for another connection; closed",
	[NOTE_UNFINISHED] = "a request was not finished within limits unfinished_request_s; closed",
	[NOTE_UNREAD] = "an answer was not read within limits unread_answer_s; reset",
	[NOTE_OVERLOAD] = "limits attempts is reached or memory is short; answered without "
			  "weighing",
	[NOTE_KIND] = "a request is no smtpd_access_policy; answered without weighing",
};

/* What the front asks for: struct weigher */

static void on_settled(struct weighing *weighing);

struct weighing *worker_open_place(struct worker *worker, const struct policy *policy)
{
	struct weighing *weighing = scale_open(worker->scale, worker->config, policy);
	char *id;

	if (weighing == NULL)
		return NULL;
	id = arena_alloc(&weighing->arena, DECISION_NUMBER_BYTES + 1);
	if (id == NULL) {
		scale_close(weighing);
		return NULL;
	}
	decision_number_write(atomic_fetch_add_explicit(&worker->shared->decisions, 1,
							memory_order_relaxed),
			      id);
	weighing->attempt.id = span_of(id, DECISION_NUMBER_BYTES);
	return weighing;
}

static bool open_place(void *self, const void *policy, struct connection *connection,
		       struct place *place_out)
{
	struct worker *worker = self;
	struct weighing *weighing;

	/* A reload has closed the listener and freed its policy. */
	if (policy == NULL)
		return false;
	weighing = worker_open_place(worker, policy);
	if (weighing == NULL)
		return false;
	weighing->attempt.conversation = conversation_name(connection_conversation(connection));
	weighing->settled = on_settled;
	weighing->owner = connection;
	*place_out = (struct place){ &weighing->arena, &weighing->attempt, weighing };
	return true;
}

static bool is_of_conversation(const struct judgement *own, struct span name)
{
	for (unsigned i = 0; own != NULL && i < own->memory_count; i++)
		if (span_starts(own->memory[i].key, name))
			return true;
	return false;
}

static void mark_conversation(struct weighing *weighing)
{
	struct conversation *conversation = connection_conversation(weighing->owner);
	const struct walk *walk = &weighing->walk;

	for (unsigned i = 0; i < walk->policy->weigh_count; i++)
		if (is_of_conversation(walk->findings[i].own, conversation_name(conversation)))
			conversation->is_remembered = true;
}

void worker_say_overload(struct worker *worker)
{
	log_say(worker->shared->log, KIND_OVERLOAD, LEVEL_WARNING, "warning: %s",
		text_of_note[NOTE_OVERLOAD]);
}

/* Once a window, and not again at each mail. */
static void say_limit(struct worker *worker, const struct limit *limit,
		      const struct limited *limited)
{
	TEXT(key, LOG_FIELD_BYTES_MAX + 3);
	TEXT(period, RATES_TEXT_MAX);

	text_add_escaped(&key, limited->key, LOG_FIELD_BYTES_MAX);
	text_add_duration(&period, limited->period_ms);
	log_say(worker->shared->log, KIND_LIMIT, LEVEL_WARNING,
		"warning: limit %.*s is reached: key=\"%s\" used=%lld most=%lld period=%s",
		SPAN_ARG(limit->name), text_cstr(&key), (long long)limited->used,
		(long long)limited->most, text_cstr(&period));
}

static void mail_limit(const struct worker *worker, const struct limit *limit,
		       const struct limited *limited, const struct attempt *attempt)
{
	static const struct span counting[] = {
		[COUNTING_MESSAGES] = SPAN_INIT("messages"),
		[COUNTING_RECIPIENTS] = SPAN_INIT("recipients"),
		[COUNTING_BYTES] = SPAN_INIT("bytes"),
		[COUNTING_DISTINCT] = SPAN_INIT("different values"),
	};
	const struct notice notice = {
		.address = limit->notify,
		.limit = limit->name,
		.key = limited->key,
		.counting = counting[limit->counting],
		.number = attempt->id,
		.used = limited->used,
		.most = limited->most,
		.period_ms = limited->period_ms,
		.at_ms = attempt->time_ms,
		.until_ms = attempt->time_ms + limited->period_ms,
	};

	/* One that is dropped is counted, and the log has said it. */
	if (limit->notify.len > 0 && worker->shared->notices != NULL)
		(void)notice_send(worker->shared->notices, &notice);
}

static void say_limits(struct worker *worker, const struct walk *walk)
{
	for (unsigned i = 0; i < walk->policy->limit_count; i++) {
		const struct limit *limit = walk->policy->limit[i]->limit;
		const struct limited *limited = &walk->limited[i];

		if (!limited->is_first)
			continue;
		say_limit(worker, limit, limited);
		mail_limit(worker, limit, limited, walk->attempt);
	}
}

bool worker_decide(struct worker *worker, const struct weighing *weighing, unsigned headers_given,
		   struct text *answer)
{
	struct decision decision = { .walk = &weighing->walk,
				     .took_us = weighing->took_us,
				     .is_overdue = weighing->is_overdue };
	bool is_header = answer_to_mta(&weighing->walk, headers_given, answer);
	TEXT(line, LOG_LINE_BYTES_MAX);

	decision.answer = text_span(answer);
	text_add_decision(&line, &decision);
	log_batch_add(worker->shared->log, &worker->batch, LEVEL_INFO, text_span(&line));
	say_limits(worker, &weighing->walk);
	worker->verdict[weighing->walk.verdict]++;
	return is_header;
}

/* All that follows from a settled attempt; it is closed. */
static void conclude(struct worker *worker, struct weighing *weighing, struct text *answer)
{
	struct conversation *conversation = connection_conversation(weighing->owner);
	struct span instance = weighing->attempt.attribute[ATTRIBUTE_instance];

	if (weighing->is_unweighed) {
		text_add(answer, answer_without_weighing());
		worker_say_overload(worker);
		scale_close(weighing);
		return;
	}
	if (worker_decide(worker, weighing, conversation_headers_given(conversation, instance),
			  answer))
		conversation_header_given(conversation);
	mark_conversation(weighing);
	scale_close(weighing);
}

static bool weigh_place(void *self, struct place *place, struct text *answer)
{
	struct weighing *weighing = place->held;

	if (!scale_weigh(weighing))
		return false;
	conclude(self, weighing, answer);
	return true;
}

static void on_settled(struct weighing *weighing)
{
	struct connection *connection = weighing->owner;
	struct worker *worker = scale_owner(weighing->scale);
	TEXT(answer, ANSWER_MAX);

	conclude(worker, weighing, &answer);
	connection_answer(connection, text_span(&answer));
}

static void leave_place(void *self, struct place *place)
{
	(void)self;
	scale_close(place->held);
}

static void forget_conversation(void *self, const struct conversation *conversation)
{
	struct worker *worker = self;

	if (conversation->is_remembered)
		store_forget_conversation(worker->store, conversation_name(conversation));
}

void worker_say_note(struct worker *worker, enum front_note note, struct span peer)
{
	log_say(worker->shared->log, kind_of_note[note], LEVEL_WARNING,
		"warning: client \"%.*s\": %s", SPAN_ARG(peer), text_of_note[note]);
}

static void say_note(void *self, enum front_note note, struct span peer)
{
	worker_say_note(self, note, peer);
}

static void on_adopted_closed(void *self)
{
	struct worker *worker = self;

	worker->is_over = true;
}

struct weigher worker_weigher(struct worker *worker)
{
	return (struct weigher){ .self = worker,
				 .open = open_place,
				 .weigh = weigh_place,
				 .leave = leave_place,
				 .forget = forget_conversation,
				 .note = say_note,
				 .closed = on_adopted_closed };
}
