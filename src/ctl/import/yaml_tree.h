/* yaml_tree.h -- the YAML that people write configurations in, as a tree.
 *
 * libyaml reads it, so it is the YAML 1.1 that PyYAML and with it policyd-rate-limit reads,
 * with anchors, aliases and texts over several lines.  Refused with its line: tags but those of
 * texts, lists and maps, keys that are no scalars, several documents, an alias within what it
 * names. A key "<<" is a key like others.
 */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	YAML_BYTES_MAX = 1024 * 1024,
	YAML_DEPTH_MAX = 16,
	YAML_NODES_MAX = 600000, /* of a tree, in which an alias counts as what it names */
	YAML_ARENA_BYTES_MAX = 64 * 1024 * 1024,
};

enum yaml_kind { YAML_SCALAR, YAML_LIST, YAML_MAP };

struct yaml_node {
	enum yaml_kind kind;
	bool is_quoted;   /* a scalar that is a text, whatever it looks like */
	struct span text; /* of a scalar, unescaped */
	uint32_t line;
	uint32_t node_count;     /* it and all below */
	struct span key;         /* of a member of a map */
	struct yaml_node *first; /* of a list or map; they stay in order */
	struct yaml_node *next;
};

/** Read a whole file.
 *
 * @param report    gets "LINE: what is wrong", without the path
 * @param root_out  in the arena; an empty file is an empty scalar; NULL unless OK
 * @return ERR_SYNTAX; ERR_LIMIT: too large, too deep; ERR_SYSTEM: no memory
 */
MUST_USE enum err yaml_read(struct span source, struct arena *arena, struct text *report,
			    struct yaml_node **root_out);

/** The member of a map; the last one where it stands twice; NULL. */
const struct yaml_node *yaml_member(const struct yaml_node *map, const char *key);

bool yaml_is_null(const struct yaml_node *node);
/** true, yes, on and their opposites.  @return ERR_SYNTAX: another thing */
MUST_USE enum err yaml_bool(const struct yaml_node *node, bool *truth_out);
/** 10, 0666, 0x1b6. */
MUST_USE enum err yaml_number(const struct yaml_node *node, int64_t *number_out);

/** In flow style, to be shown: [[10, 60], [150, 86400]] */
void text_add_yaml(struct text *text, const struct yaml_node *node);
