/* hash.c -- SipHash-1-3. */
#include "base/hash.h"

#include <endian.h>

static uint64_t rotate(uint64_t x, unsigned bits)
{
	return x << bits | x >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[0] = rotate(v[0], 32);
	v[2] += v[3];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

static uint64_t load_le64(const char *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof(word));
	return le64toh(word);
}

static uint64_t load_le64_short(const char *at, size_t count)
{
	uint64_t word = 0;

	for (size_t i = 0; i < count; i++)
		word |= (uint64_t)(unsigned char)at[i] << (8 * i);
	return word;
}

uint64_t hash_span(const struct hash_key *key, struct span s)
{
	uint64_t v[4] = {
		key->word[0] ^ 0x736f6d6570736575U,
		key->word[1] ^ 0x646f72616e646f6dU,
		key->word[0] ^ 0x6c7967656e657261U,
		key->word[1] ^ 0x7465646279746573U,
	};
	uint64_t last = (uint64_t)s.len << 56;
	size_t i = 0;

	for (; i + 8 <= s.len; i += 8) {
		uint64_t word = load_le64(s.at + i);

		v[3] ^= word;
		sip_round(v);
		v[0] ^= word;
	}
	last |= load_le64_short(s.at + i, s.len - i);
	v[3] ^= last;
	sip_round(v);
	v[0] ^= last;
	v[2] ^= 0xff;
	for (int round = 0; round < 3; round++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}
