package cluster

// Words are a server's words for replication: MySQL changed them step by step, MariaDB knows the old ones in all versions.
type Words struct {
	Replica string // REPLICA or SLAVE, in statements: "STOP " + Replica
	Prefix  string // replica_ or slave_, of variables

	ShowChannels string // what the server replicates from
	ShowReplicas string // who fetches its binary log
	ShowLogEnd   string // where its binary log ends
	Start        string // starts all channels
}

// Words are those that the server understands.
func (f Facts) Words() Words {
	w := Words{
		Replica: "SLAVE", Prefix: "slave_", ShowChannels: "SHOW SLAVE STATUS", ShowReplicas: "SHOW SLAVE HOSTS",
		ShowLogEnd: "SHOW MASTER STATUS", Start: "START SLAVE",
	}
	if f.IsMariaDB() {
		w.ShowChannels, w.Start = "SHOW ALL SLAVES STATUS", "START ALL SLAVES"
		return w
	}
	if f.AtLeast(8, 0, 22) {
		w.Replica, w.ShowChannels, w.ShowReplicas, w.Start = "REPLICA", "SHOW REPLICA STATUS", "SHOW REPLICAS", "START REPLICA"
	}
	if f.AtLeast(8, 0, 26) {
		w.Prefix = "replica_"
	}
	if f.AtLeast(8, 2, 0) {
		w.ShowLogEnd = "SHOW BINARY LOG STATUS"
	}
	return w
}
