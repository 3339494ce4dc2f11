package report

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// TopologySchema names the document of a topology.
const TopologySchema = "crosscheck/topology/v1"

// Forms of a topology besides JSON.
const (
	FormatText    Format = "text"
	FormatDOT     Format = "dot"     // for Graphviz
	FormatMermaid Format = "mermaid" // for pages of documentation
)

// TopologyDocument is both clusters as they are published.
type TopologyDocument struct {
	Schema   string            `json:"schema"`
	Taken    time.Time         `json:"taken"`
	Clusters []TopologyCluster `json:"clusters"` // old, new
	// Gaps say what is not known of the clusters, one line each; without any all nodes were reached.
	Gaps []string `json:"gaps,omitempty"`
	// Application tells whether sessions of the application are counted apart, since its accounts are known.
	Application bool `json:"application_known"`
}

// TopologyCluster is one side.
type TopologyCluster struct {
	Side  string         `json:"side"`
	Nodes []TopologyNode `json:"nodes"`
	// Unknown says what its servers did not tell, one line each: there may be nodes besides.
	Unknown []string `json:"unknown,omitempty"`
}

// TopologyNode is one server. What an unreached one would have said is zero.
type TopologyNode struct {
	Label      string   `json:"label"`
	Role       string   `json:"role"` // "writer", "replica" or "member"
	Addr       string   `json:"addr"`
	Found      string   `json:"found"` // "named", "replica of old"
	Named      bool     `json:"named"`
	Sources    []string `json:"sources,omitempty"` // labels, of either side
	Reached    bool     `json:"reached"`
	Error      string   `json:"error,omitempty"` // why it was not reached
	ServerUUID string   `json:"server_uuid,omitempty"`
	Product    string   `json:"product,omitempty"` // "MySQL 9.7.4"
	ReadOnly   string   `json:"read_only,omitempty"`

	LogBin      bool   `json:"log_bin"`
	LogsUpdates bool   `json:"log_replica_updates"`
	GTIDMode    string `json:"gtid_mode,omitempty"`
	Position    string `json:"position,omitempty"`
	Step        string `json:"auto_increment_step,omitempty"` // "increment/offset"

	LagSeconds *int64            `json:"lag_seconds"` // null: unknown, or no channel
	Channels   []TopologyChannel `json:"channels,omitempty"`
	Errant     *TopologyErrant   `json:"errant,omitempty"` // of replicas
	Galera     *TopologyGalera   `json:"galera,omitempty"` // of a node of a Galera cluster

	Sessions            *int     `json:"sessions"`             // of clients, without replicas and crosscheck; null: unknown
	ApplicationSessions *int     `json:"application_sessions"` // null: unknown, or the application's accounts are not
	Unknown             []string `json:"unknown,omitempty"`
}

// TopologyChannel is one source of a node.
type TopologyChannel struct {
	Name         string   `json:"name,omitempty"`
	Source       string   `json:"source"` // host:port
	Receiver     string   `json:"receiver"`
	Applier      string   `json:"applier"`
	Trouble      string   `json:"trouble,omitempty"`
	LagSeconds   *int64   `json:"lag_seconds"`
	DelaySeconds int64    `json:"delay_seconds,omitempty"`
	Filters      []string `json:"filters,omitempty"`
	SkipErrors   []string `json:"skip_errors,omitempty"`
	ExecMode     string   `json:"exec_mode,omitempty"`
}

// TopologyGalera is how a node stands with its Galera cluster.
type TopologyGalera struct {
	Cluster string   `json:"cluster"`
	State   string   `json:"state"`            // "Synced", "Donor/Desynced", "non-Primary", …
	Others  []string `json:"others,omitempty"` // labels of the other nodes that were found
}

// TopologyErrant are transactions that a replica has and its sources have not.
type TopologyErrant struct {
	Known bool   `json:"known"`
	Why   string `json:"why,omitempty"` // why it is not known
	Set   string `json:"set"`
}

// TopologyFormats lists the forms.
func TopologyFormats() []Format { return []Format{FormatText, FormatJSON, FormatDOT, FormatMermaid} }

// RenderTopology writes doc to w.
func RenderTopology(w io.Writer, format Format, doc TopologyDocument, opt TermOptions) error {
	out := bufio.NewWriter(w)
	var err error
	switch format {
	case FormatText:
		err = renderTopologyTerminal(out, &doc, opt)
	case FormatJSON:
		err = renderJSON(out, doc)
	case FormatDOT:
		err = renderTopologyDOT(out, &doc)
	case FormatMermaid:
		err = renderTopologyMermaid(out, &doc)
	default:
		err = fmt.Errorf("unknown format %q: use text, json, dot or mermaid", format)
	}
	if err == nil {
		err = out.Flush()
	}
	if err != nil {
		return fmt.Errorf("render topology as %s: %w", format, err)
	}
	return nil
}

// treeNode is a node with its place in the drawing of its cluster.
type treeNode struct {
	*TopologyNode
	branch string // "├─ ", and the lines of what is further up
	parent string // label
}

// tree puts a cluster's nodes in the order of a drawing: each below the first of its sources that is of the cluster.
func (c *TopologyCluster) tree() []treeNode {
	inside := map[string]bool{}
	for i := range c.Nodes {
		inside[c.Nodes[i].Label] = true
	}
	children := map[string][]*TopologyNode{}
	var roots []*TopologyNode
	for i := range c.Nodes {
		n := &c.Nodes[i]
		up := slices.IndexFunc(n.Sources, func(s string) bool { return inside[s] })
		if up < 0 || n.Role == "writer" {
			roots = append(roots, n)
			continue
		}
		children[n.Sources[up]] = append(children[n.Sources[up]], n)
	}
	var out []treeNode
	drawn := map[string]bool{}
	var draw func(n *TopologyNode, parent, branch, below string)
	draw = func(n *TopologyNode, parent, branch, below string) {
		if drawn[n.Label] {
			return
		}
		drawn[n.Label] = true
		out = append(out, treeNode{TopologyNode: n, branch: branch, parent: parent})
		list := children[n.Label]
		for i, x := range list {
			if i == len(list)-1 {
				draw(x, n.Label, below+"└─ ", below+"   ")
			} else {
				draw(x, n.Label, below+"├─ ", below+"│  ")
			}
		}
	}
	for _, n := range roots {
		draw(n, "", "", "")
	}
	for i := range c.Nodes { // a ring of replicas has no top
		draw(&c.Nodes[i], "", "", "")
	}
	return out
}

// threads says in a word how a node's replication is: "run", "stopped"; "" without channels.
func (n *TopologyNode) threads() string {
	word := ""
	for i := range n.Channels {
		c := &n.Channels[i]
		switch {
		case c.Receiver == "connecting" && word != "stopped" && c.Applier == "runs":
			word = "connecting"
		case c.Trouble != "":
			word = "stopped"
		case word == "":
			word = "run"
		}
	}
	return word
}

// lag is the node's lag for people.
func (n *TopologyNode) lag() string {
	switch {
	case len(n.Channels) == 0:
		return ""
	case n.LagSeconds == nil:
		return "?"
	default:
		return fmt.Sprintf("%d s", *n.LagSeconds)
	}
}

// remarks are what is to be said of a node besides its line, the worst first; bad tells which of them are faults.
func (n *TopologyNode) remarks(parent string) (texts []string, bad int) {
	if !n.Reached {
		return []string{"could not be reached: " + n.Error + " (" + n.Found + ")"}, 1
	}
	var plain []string
	for i := range n.Channels {
		c := &n.Channels[i]
		from := "from " + c.Source
		if c.Name != "" {
			from += ", channel " + c.Name
		}
		if c.Trouble != "" {
			texts = append(texts, c.Trouble+" ("+from+")")
		}
		if len(c.SkipErrors) > 0 {
			texts = append(texts, "skips errors "+strings.Join(c.SkipErrors, ", ")+": differences arise unseen")
		}
		if strings.EqualFold(c.ExecMode, "IDEMPOTENT") {
			texts = append(texts, "applies in IDEMPOTENT mode: differences arise unseen")
		}
		if len(c.Filters) > 0 {
			texts = append(texts, "filters "+strings.Join(c.Filters, ", ")+" ("+from+")")
		}
		if c.DelaySeconds > 0 {
			plain = append(plain, fmt.Sprintf("delayed by %d s on purpose", c.DelaySeconds))
		}
	}
	if n.Errant != nil && n.Errant.Set != "" {
		texts = append(texts, "has transactions that its sources lack: "+n.Errant.Set)
	}
	if n.Role == "replica" && n.ReadOnly == "off" {
		texts = append(texts, "is a replica, and read_only is off")
	}
	bad = len(texts)
	if rest := slices.DeleteFunc(slices.Clone(n.Sources), func(s string) bool { return s == parent }); len(rest) > 0 {
		plain = append(plain, "replicates from "+strings.Join(rest, ", "))
	}
	if g := n.Galera; g != nil {
		text := "is " + g.State + " in the Galera cluster " + g.Cluster
		if len(g.Others) > 0 {
			text += ", with " + strings.Join(g.Others, ", ")
		}
		plain = append(plain, text)
	}
	if len(n.Channels) > 0 && n.LogBin && !n.LogsUpdates {
		plain = append(plain, "does not log what it applies")
	}
	if n.Errant != nil && !n.Errant.Known {
		plain = append(plain, "whether it was written to is not known: "+n.Errant.Why)
	}
	return append(append(texts, plain...), n.Unknown...), bad
}
