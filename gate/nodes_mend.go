package gate

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"crosscheck/gate/plan"
)

// mend is what puts right the rows of the nodes that a check found different, and proves it.
func (j *judge) mend(again string) string {
	what, output := "mend the rows on new as what this writes says", ""
	if len(j.plan.New.Replicas) > 0 {
		what, output = "run the files that this writes in their order, each on its own node", " --output FOLDER"
	}
	if j.newLeads() {
		what = "read what this writes, and run only what undoes no write of the application on new"
	}
	return what + ": crosscheck repair --state DIR" + output + Then + again
}

// mendErrant is how a replica's own transactions are put out of the world: its rows first, then their names.
func (j *judge) mendErrant(n ClusterNode, source string) string {
	again := j.measure("", KindCheck)
	steps := []string{"end who writes to " + n.Name, again, j.mend(again)}
	if dsn, ok := j.plan.Address(n.Name); ok && n.Side == "new" && j.newLeads() { // old's rows are of no use to a node of new
		steps = []string{
			steps[0], fmt.Sprintf("crosscheck check --old '%s' --new '%s'%s --state APART", j.plan.New.DSN, dsn, j.tables()),
			"run what this writes on " + n.Name + ": crosscheck repair --state APART --output FOLDER",
		}
	}
	if n.maria() { // it goes by the names in its log only
		return strings.Join(append(steps, "on "+n.Name+": RESET MASTER"), Then)
	}
	names, more := eachGTID(n.Errant)
	for i, name := range names {
		set := "SET gtid_next = '" + name + "'"
		if i == 0 {
			set = "on " + source + ": " + set
		}
		steps = append(steps, set, "BEGIN", "COMMIT")
	}
	steps = append(steps, "SET gtid_next = 'AUTOMATIC'")
	if more {
		steps = append(steps, "crosscheck gate status --plan PLAN") // it names the next ones
	}
	return strings.Join(steps, Then)
}

// newLeads tells that the application's writes have moved to new and do not come back to old: what differs may be theirs.
func (j *judge) newLeads() bool {
	e, _ := j.newest(KindWritesSwitch)
	c, ok := e.Content.(WritesSwitch)
	return ok && j.plan.Path != plan.DualWrite && (c.By != "" || c.NewByApp > 0)
}

// gtidsShown bounds how many transactions an advice names.
const gtidsShown = 20

// eachGTID lists the transactions of a set, "UUID:1-3:5,UUID:TAG:1"; more tells that there are others.
func eachGTID(set string) (out []string, more bool) {
	for part := range strings.SplitSeq(set, ",") {
		fields := strings.Split(strings.TrimSpace(part), ":")
		name := fields[0]
		for _, f := range fields[1:] {
			first, last, isRange := strings.Cut(f, "-")
			from, err := strconv.ParseUint(first, 10, 64)
			if err != nil { // a tag
				name = fields[0] + ":" + f
				continue
			}
			to := from
			if isRange {
				if to, err = strconv.ParseUint(last, 10, 64); err != nil {
					continue
				}
			}
			for n := from; n <= to; n++ {
				if len(out) == gtidsShown {
					return out, true
				}
				out = append(out, fmt.Sprintf("%s:%d", name, n))
			}
		}
	}
	return out, false
}

func (n ClusterNode) maria() bool { return strings.Contains(n.Version, "MariaDB") }

// unfilter is what ends a node's filters. What they left out, a check finds.
func (j *judge) unfilter(n ClusterNode) string {
	var filters, receiver []string // what the applier leaves out, and what the receiver does
	for _, f := range n.Filters {
		name, _, _ := strings.Cut(f, "=")
		name = strings.ReplaceAll(name, "-", "_")
		switch upper := strings.ToUpper(name); {
		case !strings.HasPrefix(upper, "REPLICATE_"):
			receiver = append(receiver, upper+" = ()")
		case n.maria():
			filters = append(filters, "SET GLOBAL "+name+" = ''")
		default:
			filters = append(filters, upper+" = ()")
		}
	}
	for _, list := range []*[]string{&filters, &receiver} { // two channels may have the same
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	word, change := "REPLICA", "CHANGE REPLICATION SOURCE TO "
	if n.maria() || n.Link.Words == WordsSlave {
		word, change = "SLAVE", "CHANGE MASTER TO "
	}
	if !n.maria() && len(filters) > 0 {
		filters = []string{"CHANGE REPLICATION FILTER " + strings.Join(filters, ", ")}
	}
	if len(receiver) > 0 {
		filters = append(filters, change+strings.Join(receiver, ", "))
	}
	steps := slices.Concat([]string{"see that the option file of " + n.Name + " has no filter", "on " + n.Name + ": STOP " + word}, filters,
		[]string{"START " + word, j.measure("", KindCheck)})
	return strings.Join(steps, Then)
}
