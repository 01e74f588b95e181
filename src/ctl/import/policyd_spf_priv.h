/* policyd_spf_priv.h -- what reading and writing of policyd-spf.conf share. */
#pragma once
#include "ctl/import/policyd_spf.h"

/* SETTING(name, default, fate, note): in the order of the manual page.  KEPT means the same as
 * before, CHANGED something near to it, DROPPED nothing. */
#define POLICYD_SPF_SETTINGS(SETTING)                                                              \
	SETTING(debugLevel, "1", DROPPED, "the log has a line for each decision")                  \
	SETTING(defaultSeedOnly, "", DROPPED, "policyd-spf does not heed it either: TestOnly")     \
	SETTING(TestOnly, "1", KEPT, NULL)                                                         \
	SETTING(HELO_reject, "Fail", KEPT, NULL)                                                   \
	SETTING(Mail_From_reject, "Fail", KEPT, NULL)                                              \
	SETTING(PermError_reject, "False", KEPT, NULL)                                             \
	SETTING(TempError_Defer, "False", KEPT, NULL)                                              \
	SETTING(No_Mail, "False", KEPT, NULL)                                                      \
	SETTING(Reject_Not_Pass_Domains, "", KEPT, NULL)                                           \
	SETTING(HELO_pass_restriction, "", KEPT, NULL)                                             \
	SETTING(Mail_From_pass_restriction, "", KEPT, NULL)                                        \
	SETTING(Prospective, "", DROPPED, "ask with: weighctl spf --ip ADDRESS")                   \
	SETTING(skip_addresses, "127.0.0.0/8,::ffff:127.0.0.0/104,::1", CHANGED,                   \
		"mapped addresses are read as IPv4")                                               \
	SETTING(Whitelist, "", CHANGED, "a wrong entry is left out and the others hold")           \
	SETTING(Domain_Whitelist, "", KEPT, NULL)                                                  \
	SETTING(HELO_Whitelist, "", KEPT, NULL)                                                    \
	SETTING(Domain_Whitelist_PTR, "", CHANGED,                                                 \
		"the name must lead back to the client, and matches whole labels")                 \
	SETTING(SPF_Enhanced_Status_Codes, "Yes", KEPT, NULL)                                      \
	SETTING(Header_Type, "SPF", CHANGED, "values are quoted by the grammar")                   \
	SETTING(Hide_Receiver, "No", CHANGED, "hidden it is 'unknown', else our own host name")    \
	SETTING(Authserv_Id, "HOSTNAME", KEPT, NULL)                                               \
	SETTING(Lookup_Time, "20", CHANGED, "one deadline for all, HELO and MAIL FROM together")   \
	SETTING(Whitelist_Lookup_Time, "10", DROPPED, "the deadline is for all")                   \
	SETTING(Void_Limit, "2", KEPT, NULL)                                                       \
	SETTING(Reason_Message, "Message {rejectdefer} due to: {spf}. Please see {url}", CHANGED,  \
		"without {url}: nobody answers there any more")                                    \
	SETTING(Mock, "", DROPPED, "for versions of Postfix that hid a header from milters")       \
	SETTING(Per_User, "", DROPPED,                                                             \
		"not in this version; rules by a table: ... if recipient in NAME")                 \
	SETTING(QueueID, "True", DROPPED, "the log always has it")                                 \
	SETTING(Socket, "", DROPPED, "of the milter")                                              \
	SETTING(PidFile, "", DROPPED, "of the milter")                                             \
	SETTING(UserID, "", DROPPED, "of the milter")                                              \
	SETTING(UMask, "", DROPPED, "of the milter")                                               \
	SETTING(InternalHosts, "", DROPPED, "of the milter")                                       \
	SETTING(IntHosts, "", DROPPED, "of the milter")                                            \
	SETTING(MacroList, "", DROPPED, "of the milter")

enum spf_setting {
#define SETTING(name, standard, fate, note) SETTING_##name,
	POLICYD_SPF_SETTINGS(SETTING)
#undef SETTING
		SPF_SETTINGS
};

struct spf_import {
	const struct import_options *options;
	struct text *config, *report;
	struct span value[SPF_SETTINGS]; /* the file's, or the default */
	uint32_t line[SPF_SETTINGS];     /* where the file says it; 0: it does not */
	unsigned mistakes;
};

/** Say that a setting's value is wrong, and what is done about it. */
void spf_import_complain(struct spf_import *import, enum spf_setting setting, const char *problem,
			 struct span word);

/** The policy and what goes with it. */
void spf_import_write(struct spf_import *import);
