/* attempts.c -- requests as Postfix 3.7 writes them at RCPT; nothing is left out. */
#include "attempts.h"

#include <stdio.h>

/* 100.64.0.0/10 (RFC 6598): four million addresses that are nobody's mail server. */
static const uint32_t first_client = 0x64400000;
enum { CLIENTS_MAX = 1 << 22 };

/* client_address, client_name, reverse_client_name, helo_name, sender, recipient, instance */
static const char form[] = "request=smtpd_access_policy\n"
			   "protocol_state=RCPT\n"
			   "protocol_name=ESMTP\n"
			   "client_address=%s\n"
			   "client_name=%s\n"
			   "client_port=43120\n"
			   "reverse_client_name=%s\n"
			   "server_address=198.51.100.25\n"
			   "server_port=25\n"
			   "helo_name=%s\n"
			   "sender=%s\n"
			   "recipient=%s\n"
			   "recipient_count=0\n"
			   "queue_id=\n"
			   "instance=%s\n"
			   "size=24310\n"
			   "etrn_domain=\n"
			   "stress=\n"
			   "sasl_method=\n"
			   "sasl_username=\n"
			   "sasl_sender=\n"
			   "ccert_subject=\n"
			   "ccert_issuer=\n"
			   "ccert_fingerprint=\n"
			   "ccert_pubkey_fingerprint=\n"
			   "encryption_protocol=TLSv1.3\n"
			   "encryption_cipher=TLS_AES_256_GCM_SHA384\n"
			   "encryption_keysize=256\n"
			   "policy_context=\n"
			   "\n";

const char *const attempt_kind_name[ATTEMPT_KINDS] = { "hot", "cold", "new", "mixed" };

struct names {
	char client[16];
	char client_name[64];
	char helo[64];
	char sender[64];
	char recipient[64];
};

static uint32_t name_client(struct names *names, uint32_t id)
{
	/* neighbours in time are no neighbours in the network, or they would share its limits */
	uint32_t client = first_client + id * 2654435761U % CLIENTS_MAX;

	snprintf(names->client, sizeof names->client, "%u.%u.%u.%u", client >> 24,
		 client >> 16 & 255, client >> 8 & 255, client & 255);
	snprintf(names->client_name, sizeof names->client_name, "a%08x.client.example", client);
	return client;
}

static void name_attempt(struct names *names, uint32_t id)
{
	uint32_t client = name_client(names, id);

	if (id % 10 == 9) { /* cannot be placed */
		snprintf(names->helo, sizeof names->helo, "office.pc%u.example", id);
		snprintf(names->sender, sizeof names->sender, "info@shop%u.example", id);
		return;
	}
	snprintf(names->helo, sizeof names->helo, "a%08x.example", client);
	if (id % 3 == 0) /* the sender's MX */
		snprintf(names->sender, sizeof names->sender, "anna.smith@a%08x.example", client);
	else
		snprintf(names->sender, sizeof names->sender, "news@letter%u.example", id);
}

static void name_triplet(struct names *names, uint32_t id)
{
	uint32_t client = name_client(names, id), sender = id % ATTEMPTS_SENDERS;

	snprintf(names->helo, sizeof names->helo, "a%08x.example", client);
	snprintf(names->sender, sizeof names->sender, "anna.smith%u@shop%u.example", sender,
		 sender % 1000);
	snprintf(names->recipient, sizeof names->recipient, "user%u@example.org", id % 1000);
}

static void name_request(struct names *names, enum attempt_kind kind, uint32_t number)
{
	snprintf(names->recipient, sizeof names->recipient, "user%u@example.org", number % 1000);
	switch (kind) {
	case ATTEMPT_HOT: name_attempt(names, number % ATTEMPTS_HOT); break;
	case ATTEMPT_KINDS:
	case ATTEMPT_COLD: name_attempt(names, number); break;
	case ATTEMPT_NEW: name_triplet(names, number % ATTEMPTS_NEW_MAX); break;
	case ATTEMPT_MIXED:
		name_triplet(names, number / 2 % ATTEMPTS_NEW_MAX +
					    (number % 2 == 0 ? ATTEMPTS_NEW_MAX : 0));
		break;
	}
}

size_t attempt_write(char *at, enum attempt_kind kind, uint32_t number)
{
	struct names names;
	char instance[32];

	name_request(&names, kind, number);
	snprintf(instance, sizeof instance, "%x.656f5a1c.%x.%d", number / 100, number % 100, kind);
	int length =
		snprintf(at, ATTEMPT_TEXT_MAX, form, names.client, names.client_name,
			 names.client_name, names.helo, names.sender, names.recipient, instance);
	return length > 0 && length < ATTEMPT_TEXT_MAX ? (size_t)length : 0;
}
