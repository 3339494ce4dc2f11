package preflight

func accountEntries() []Entry {
	const asShown = "Where a statement for new has … for the hash, it is what the statement for old shows: crosscheck does not read it."
	return []Entry{
		{
			"account_not_found", Warning, "the plan names an account that old does not have", "Nothing of it could be compared: the application logs in by another account, which nobody looked at.",
			"Correct accounts under [application] in the plan.",
		},
		{
			"account_missing", Warning, "an account of the application is not on new", "Its clients are refused there (1045).",
			"Run the statements in order. " + asShown,
		},
		{
			"account_plugin", Warning, "an account logs in by another plugin", "The drivers of the application may not know it, and whether the password is the same cannot be told.",
			"Run the statements in order, or accept it once the application has logged in to new with its own password and driver. " + asShown,
		},
		{
			"account_password", Warning, "an account has another password", "The application is refused on new (1045), or let in without a password.",
			"Run the statements in order. " + asShown,
		},
		{
			"account_password_unknown", Warning, "whether an account has the same password is not known", "Salted hashes of one password differ each time, and those of two plugins always do. A wrong password shows when the application is switched.",
			"Run the statements in order, or log in to new with the application's own password and accept it. " + asShown,
		},
		{
			"account_locked", Warning, "an account is locked on new, or its password has expired", "The application is refused there (3118, 4151), or can do nothing but set a password (1820).",
			"Run the statements in order. " + asShown,
		},
		{
			"account_tls", Warning, "an account demands another kind of connection", "Clients without TLS or without a certificate are refused on one side (1045), or let in on one.",
			"Make it on new as it is on old, or accept it once the clients are ready.",
		},
		{
			"account_limits", Warning, "an account is limited more narrowly on new", "The application is refused there after so many queries or connections (1226).",
			"Give it the limits that it has on old.",
		},
		{
			"account_shadowed", Warning, "new takes another account in its place", "Of the accounts that fit a client, the server takes the one with the more specific host: the application is refused, or has other privileges.",
			"Drop the other account on new, or make it on old as well, if clients are to use it.",
		},
		{
			"account_role", Warning, "an account lacks a role", "SET ROLE fails on new, and what the role gives is missing.", "Run the statements in order.",
		},
		{
			"account_default_roles", Warning, "sessions of an account begin with other roles", "What the application may do without SET ROLE is not the same.", "Set the default roles as they are on old.",
		},
		{
			"account_privilege_missing", Warning, "an account lacks a privilege on new", "Statements that old runs are refused there (1142, 1044, 1227), most of them only after the switch.",
			"Run the GRANT.",
		},
		{
			"account_privilege_extra", Warning, "an account may do more on new", "What old refuses, new does: a mistake of the application that was harmless is not any more.",
			"Run the statements in order, or accept it.",
		},
		{
			"account_privilege_unlike", Info, "privileges that cannot be compared", "Only one of the versions knows them, or means something else by them. None of them is about data, tables or routines.",
			"Look whether the application uses them: SET GLOBAL, KILL of others' sessions, DEFINER.",
		},
	}
}
