/* dns_answer_fuzz.c -- no packet makes the parser read, write or claim what it must not.
 *
 * The first byte chooses the kind of question; the rest is the packet.  Id and name of the
 * question are taken from the packet, so that its records are reached.
 */
#include "base/ensure.h"
#include "sources/dns_answer.h"

static size_t take_name(const uint8_t *packet, size_t len, uint8_t *name)
{
	size_t at = DNS_HEADER_BYTES, count = 0;

	while (at < len && packet[at] <= 63 && at + 1U + packet[at] < len &&
	       count + 1U + packet[at] < DNS_WIRE_NAME_MAX) {
		size_t label = 1U + packet[at];

		name[count++] = packet[at++];
		for (size_t i = 1; i < label; i++)
			name[count++] = (uint8_t)ascii_lower((char)packet[at++]);
		if (label == 1)
			return count;
	}
	name[0] = 0;
	return 1;
}

static void check_item(struct span item, enum fact_kind kind)
{
	ENSURE(kind == FACT_DNS_TXT || item.len > 0);
	for (size_t i = 0; i < item.len; i++)
		ENSURE(item.at[i] >= ' ' && item.at[i] <= '~');
}

static void check(const struct dns_answer *answer, enum fact_kind kind)
{
	size_t bytes = 0;

	ENSURE(answer->item_count <= FACT_ITEMS_MAX);
	ENSURE((answer->item_count > 0) == (answer->state == FACT_KNOWN));
	ENSURE((answer->cause != CAUSE_NONE) == (answer->state == FACT_FAILED));
	ENSURE(!answer->exists || answer->state == FACT_NONE);
	ENSURE(answer->ttl_s <= INT32_MAX);
	ENSURE(answer->state == FACT_KNOWN || answer->state == FACT_NONE ||
	       answer->state == FACT_FAILED);
	for (size_t i = 0; i < answer->item_count; i++) {
		check_item(answer->item[i], kind);
		bytes += answer->item[i].len;
	}
	ENSURE(bytes <= (kind == FACT_DNS_TXT ? DNS_TXT_BYTES_MAX : DNS_ITEMS_BYTES_MAX));
	ENSURE(kind != FACT_DNS_TXT || answer->item_count <= DNS_TXT_RECORDS_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	static struct dns_answer answer;
	uint8_t name[DNS_WIRE_NAME_MAX];
	struct dns_asked asked = { .name = name };

	if (count == 0)
		return 0;
	asked.kind = (enum fact_kind)(bytes[0] % (FACT_DNS_SOA + 1));
	bytes++;
	count--;
	if (count >= 2)
		asked.id = (uint16_t)(bytes[0] << 8 | bytes[1]);
	asked.name_len = take_name(bytes, count, name);
	dns_answer_parse(bytes, count, &asked, &answer);
	check(&answer, asked.kind);
	return 0;
}
