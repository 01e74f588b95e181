/* redis_reader.c -- a server's bytes become replies: hiredis as codec.
 *
 * A reply is bounded while it is read: a server that announces a gigabyte, or a million elements,
 * gets no memory of ours.
 */
#include "store/redis_priv.h"

#include "base/ensure.h"

#if HIREDIS_MAJOR >= 1
#define ELEMENT_COUNT size_t /* hiredis changed its mind */
#else
#define ELEMENT_COUNT int
#endif

/* Only the map of a cluster's slots may be large, when it has been asked for. */
static bool awaits_map(const struct redis_link *link)
{
	return link->first != NULL && link->first->is_map && link->state == LINK_READY;
}

static void *array_create(const redisReadTask *task, ELEMENT_COUNT count)
{
	struct redis_link *link = task->privdata;
	int most = awaits_map(link) ? MAP_ELEMENTS_MAX : LINK_ELEMENTS_MAX;

	/* NULL: the reader says "out of memory", and the link fails */
	if (link->element_count > most || count > (ELEMENT_COUNT)(most - link->element_count))
		return NULL;
	link->element_count += (int)count;
	return link->standard.createArray(task, count);
}

enum err reader_open(struct redis_link *link)
{
	link->reader = redisReaderCreate();
	if (link->reader == NULL)
		return ERR_SYSTEM;
	link->standard = *link->reader->fn;
	link->bounded = link->standard;
	link->bounded.createArray = array_create;
	link->reader->fn = &link->bounded;
	link->reader->privdata = link;
	link->reader->maxbuf = LINK_REPLY_MAX;
	link->unread_bytes = 0;
	link->element_count = 0;
	return OK;
}

void reader_close(struct redis_link *link)
{
	if (link->reader != NULL)
		redisReaderFree(link->reader);
	link->reader = NULL;
}

/* What has come with the greeting's last reply answers no question: one more, and from then on
 * each would get the answer of the one before it. */
static bool says_too_much(const struct redis_link *link, bool was_ready)
{
	return !was_ready && link->state == LINK_READY && link->role == LINK_DATA &&
	       link->reader->len > link->reader->pos;
}

static void reader_drain(struct redis_link *link)
{
	redisReader *reader = link->reader;
	void *reply;

	while (link->reader == reader && !link->is_leaving) {
		bool was_ready = link->state == LINK_READY;

		if (redisReaderGetReply(reader, &reply) != REDIS_OK) {
			link_fail(link, CAUSE_MALFORMED, "its reply is not Redis's protocol");
			return;
		}
		if (reply == NULL)
			break;
		link->unread_bytes = reader->len - reader->pos;
		link->element_count = 0;
		link_heard(link, reply);
		freeReplyObject(reply);
		if (link->reader == reader && says_too_much(link, was_ready))
			link_fail(link, CAUSE_MALFORMED, "it replies to nothing");
	}
	if (link->reader == reader &&
	    link->unread_bytes > (awaits_map(link) ? MAP_REPLY_MAX : LINK_REPLY_MAX))
		link_fail(link, CAUSE_TOOLARGE, "its reply is too large");
}

void reader_feed(struct redis_link *link, const char *bytes, size_t len)
{
	link->unread_bytes += len;
	if (redisReaderFeed(link->reader, bytes, len) != REDIS_OK)
		link_fail(link, CAUSE_TOOLARGE, "no memory for its reply");
	else
		reader_drain(link);
}
