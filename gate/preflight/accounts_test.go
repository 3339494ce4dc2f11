package preflight

import (
	"slices"
	"testing"

	"crosscheck/cluster/inspect"
)

// sampleAccounts are an application's account and its role.
func sampleAccounts(maria bool) []inspect.Account {
	host := "%"
	if maria {
		host = ""
	}
	grants := func(schema string, privileges ...string) []inspect.Grant {
		var out []inspect.Grant
		for _, p := range privileges {
			out = append(out, inspect.Grant{Privilege: p, Schema: schema})
		}
		return out
	}
	return []inspect.Account{
		{
			User: "app", Host: "%", Plugins: []string{"caching_sha2_password"}, Secrets: []string{"s1"}, Limits: map[string]int64{},
			Grants: grants("shop", "SELECT", "INSERT", "UPDATE"), Roles: []string{"writer@" + host}, DefaultRoles: []string{"writer@" + host},
		},
		{User: "writer", Host: host, Role: true, Plugins: []string{"caching_sha2_password"}, Grants: grants("shop", "DELETE", "EXECUTE")},
	}
}

var _ = slices.Equal[[]string]
var _ *testing.T
