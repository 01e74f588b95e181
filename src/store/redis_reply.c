/* redis_reply.c -- what the replies of a Redis server mean, and how its keys are written: pure.
 *
 * Source: the specifications of the protocol (RESP2) and of the cluster, redis.io.
 */
#include "store/redis_priv.h"

#include "base/number.h"

static const struct {
	struct span word;
	enum reply_kind kind;
	enum fact_cause cause;
} errors[] = {
	{ SPAN_INIT("MOVED"), REPLY_MOVED, CAUSE_DOWN },
	{ SPAN_INIT("ASK"), REPLY_ASK, CAUSE_DOWN },
	{ SPAN_INIT("TRYAGAIN"), REPLY_TRYAGAIN, CAUSE_DOWN },
	{ SPAN_INIT("NOSCRIPT"), REPLY_NOSCRIPT, CAUSE_SERVFAIL },
	{ SPAN_INIT("READONLY"), REPLY_READONLY, CAUSE_REFUSED },
	{ SPAN_INIT("LOADING"), REPLY_AWAY, CAUSE_DOWN },
	{ SPAN_INIT("MASTERDOWN"), REPLY_AWAY, CAUSE_DOWN },
	{ SPAN_INIT("CLUSTERDOWN"), REPLY_AWAY, CAUSE_DOWN },
	{ SPAN_INIT("BUSY"), REPLY_AWAY, CAUSE_DOWN },
	{ SPAN_INIT("UNBLOCKED"), REPLY_AWAY, CAUSE_DOWN },
	{ SPAN_INIT("OOM"), REPLY_REFUSED, CAUSE_REFUSED },
	{ SPAN_INIT("MISCONF"), REPLY_REFUSED, CAUSE_REFUSED },
	{ SPAN_INIT("NOREPLICAS"), REPLY_REFUSED, CAUSE_REFUSED },
	{ SPAN_INIT("NOAUTH"), REPLY_REFUSED, CAUSE_REFUSED },
	{ SPAN_INIT("NOPERM"), REPLY_REFUSED, CAUSE_REFUSED },
	{ SPAN_INIT("WRONGPASS"), REPLY_REFUSED, CAUSE_REFUSED },
	{ SPAN_INIT("DENIED"), REPLY_REFUSED, CAUSE_REFUSED },
	{ SPAN_INIT("WRONGTYPE"), REPLY_FAULT, CAUSE_MALFORMED },
};

static size_t error_find(const redisReply *reply)
{
	struct span text = span_of(reply->str, reply->len);
	struct span word = span_first(text, span_find(text, ' '));
	size_t at = 0;

	while (at < sizeof(errors) / sizeof(*errors) && !span_equal(word, errors[at].word))
		at++;
	return at;
}

enum reply_kind reply_kind(const redisReply *reply)
{
	size_t at;

	if (reply->type != REDIS_REPLY_ERROR)
		return REPLY_FINE;
	at = error_find(reply);
	return at < sizeof(errors) / sizeof(*errors) ? errors[at].kind : REPLY_FAULT;
}

enum fact_cause reply_cause(const redisReply *reply)
{
	size_t at = error_find(reply);

	return at < sizeof(errors) / sizeof(*errors) ? errors[at].cause : CAUSE_SERVFAIL;
}

struct span reply_span(const redisReply *reply)
{
	if (reply->type != REDIS_REPLY_STRING && reply->type != REDIS_REPLY_STATUS &&
	    reply->type != REDIS_REPLY_ERROR)
		return SPAN("");
	return span_of(reply->str, reply->len);
}

enum err reply_redirection(const redisReply *reply, uint16_t *slot_out, struct span *host_out,
			   uint16_t *port_out)
{
	struct span rest = reply_span(reply), word, slot_word, host;
	int64_t slot, port;
	size_t colon;

	if (!span_cut(&rest, ' ', &word) || !span_cut(&rest, ' ', &slot_word) ||
	    !span_cut(&rest, ' ', &host))
		return ERR_SYNTAX;
	colon = span_rfind(host, ':'); /* an IPv6 address has more of them */
	if (colon >= host.len || number_parse(slot_word, &slot) != OK || slot < 0 ||
	    slot >= SLOTS || number_parse(span_from(host, colon + 1), &port) != OK || port < 1 ||
	    port > UINT16_MAX)
		return ERR_SYNTAX;
	*slot_out = (uint16_t)slot;
	*host_out = span_first(host, colon);
	*port_out = (uint16_t)port;
	return OK;
}

/* CRC-16/XMODEM: polynomial 0x1021, from 0; half a byte at a time. */
static uint16_t crc16(struct span s)
{
	static const uint16_t half[16] = {
		0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50a5, 0x60c6, 0x70e7,
		0x8108, 0x9129, 0xa14a, 0xb16b, 0xc18c, 0xd1ad, 0xe1ce, 0xf1ef,
	};
	unsigned crc = 0;

	for (size_t i = 0; i < s.len; i++) {
		unsigned byte = (unsigned char)s.at[i];

		crc = (crc << 4 & 0xffff) ^ half[crc >> 12 ^ byte >> 4];
		crc = (crc << 4 & 0xffff) ^ half[crc >> 12 ^ (byte & 15)];
	}
	return (uint16_t)crc;
}

/* Only what stands between the first brace and the next closing one, if anything does. */
uint16_t redis_slot(struct span key)
{
	size_t open = span_find(key, '{');
	struct span tag = span_from(key, open + 1);
	size_t close = span_find(tag, '}');

	if (open < key.len && close < tag.len && close > 0)
		key = span_first(tag, close);
	return crc16(key) & (SLOTS - 1);
}

void redis_key(struct text *key, struct span prefix, enum store_class class, struct span set,
	       struct span name)
{
	text_add(key, prefix);
	text_add_char(key, ':');
	text_add(key, store_class_name(class));
	text_add(key, SPAN(":{"));
	if (set.len > 0) {
		text_add(key, set);
		text_add_char(key, ' ');
	}
	text_add(key, name);
	text_add_char(key, '}');
}

bool redis_key_split(struct span key, struct span prefix, enum store_class class,
		     struct span *set_out, struct span *name_out)
{
	TEXT(front, REDIS_KEY_MAX);
	struct span inside;

	text_add(&front, prefix);
	text_add_char(&front, ':');
	text_add(&front, store_class_name(class));
	text_add(&front, SPAN(":{"));
	if (!span_starts(key, text_span(&front)) || !span_ends(key, SPAN("}")) ||
	    key.len <= front.len)
		return false;
	inside = span_from(key, front.len);
	inside.len--;
	*set_out = SPAN("");
	*name_out = inside;
	if (class != STORE_TRIPLET && !span_cut(name_out, ' ', set_out))
		return false;
	return set_out->len <= STORE_SET_MAX && name_out->len <= STORE_KEY_MAX;
}
