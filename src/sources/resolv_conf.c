/* resolv_conf.c -- the name servers that the system uses, resolv.conf(5). */
#include "sources/dns_resolver.h"

#include <stdio.h>

enum { RESOLV_CONF_BYTES_MAX = 64 * 1024, DNS_PORT = 53 };

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static struct span cut_word(struct span *rest)
{
	size_t len = 0;
	struct span word;

	while (rest->len > 0 && is_blank(rest->at[0]))
		*rest = span_from(*rest, 1);
	while (len < rest->len && !is_blank(rest->at[len]))
		len++;
	word = span_first(*rest, len);
	*rest = span_from(*rest, len);
	return word;
}

size_t resolv_conf_parse(struct span text, struct dns_address *address_out)
{
	size_t count = 0;
	struct span line;

	while (count < RESOLV_CONF_SERVERS_MAX && span_cut(&text, '\n', &line)) {
		struct dns_address *address = &address_out[count];

		if (!span_equal(cut_word(&line), SPAN("nameserver")))
			continue;
		if (ip_parse(cut_word(&line), &address->address) != OK)
			continue; /* a link-local one with a zone, which we cannot reach */
		address->port = DNS_PORT;
		count++;
	}
	if (count == 0) {
		address_out[0] = (struct dns_address){
			.address = { .byte = { 127, 0, 0, 1 }, .family = IP_V4 },
			.port = DNS_PORT,
		};
		count = 1;
	}
	return count;
}

size_t resolv_conf_read(const char *path, struct dns_address *address_out)
{
	char text[RESOLV_CONF_BYTES_MAX];
	FILE *file = fopen(path, "re");
	size_t len = 0;

	if (file != NULL) {
		len = fread(text, 1, sizeof(text), file);
		fclose(file);
	}
	return resolv_conf_parse(span_of(text, len), address_out);
}
