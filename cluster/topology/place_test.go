package topology

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"crosscheck/cluster"
	"crosscheck/cluster/gtid"
)

// TestSides places nodes by what replicates from what: "a>b" is a replica b of a, "a=b" are members of one group. Named nodes
// have a name that begins with their side.
func TestSides(t *testing.T) {
	for _, c := range []struct{ name, links, want string }{
		{"one-way", "old>new old>o1 new>n1 n1>n2", "old:o1,old new:n1,n2,new"},
		{"two-way", "old>new new>old old>o1 new>n1", "old:o1,old new:n1,new"},
		{"a converter is below old", "old>middle middle>new new>n1 middle>m1", "old:m1,middle,old new:n1,new"},
		{"both have one source", "top>old top>new top>t1", "old:old,t1,top new:new"},
		{"a replica of new's primary was named", "old>top top>new top>n1", "old:n1,old,top new:new"},
		{"new has a primary of its own", "top>new top>n1 old>o1", "old:o1,old new:n1,new,top"},
		{"groups", "old=o1 o1=o2 old>new new=n1 n1>n2", "old:o1,o2,old new:n1,n2,new"},
		{"the member with the channel was not named", "old>p p=new", "old:old new:new,p"},
		{"the nearest decides", "old>new new>n1 old>o1 o1>x n1>y y>x", "old:o1,old,x new:n1,new,y"},
		{"a named replica", "old>new new>new-1 new-1>x old>x2 x2>x3", "old:old,x2,x3 new:new,new-1,x"},
	} {
		d := newDiscovery(Options{})
		byName := map[string]*Node{}
		get := func(name string) *Node {
			if byName[name] == nil {
				byName[name] = &Node{Addr: name, Err: errors.New("not asked")}
				if side, _, _ := strings.Cut(name, "-"); side == "old" || side == "new" {
					byName[name].Side = Side(side)
				}
				d.nodes = append(d.nodes, byName[name])
			}
			return byName[name]
		}
		get("old")
		get("new")
		for l := range strings.FieldsSeq(c.links) {
			if a, b, ok := strings.Cut(l, ">"); ok {
				get(b).follows(get(a))
			} else {
				a, b, _ := strings.Cut(l, "=")
				d.members = append(d.members, [2]*Node{get(a), get(b)})
			}
		}
		d.sides()
		var got []string
		for _, side := range []Side{Old, New} {
			var names []string
			for _, n := range d.nodes {
				if n.Side == side {
					names = append(names, n.Addr)
				}
			}
			slices.Sort(names)
			got = append(got, fmt.Sprintf("%s:%s", side, strings.Join(names, ",")))
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s: %s, want %s", c.name, s, c.want)
		}
	}
}

func TestNodesHaveOneOrder(t *testing.T) {
	node := func(addr string, id uint32, named bool) *Node {
		return &Node{Addr: addr, Named: named, Server: &cluster.Server{}, Facts: cluster.Facts{ServerID: id}}
	}
	b, a := node("b", 9, true), node("a", 12, true)
	list := []*Node{node("x", 12, false), node("lost", 0, false), node("z", 3, false), b, node("w", 12, false), a}
	list[1].Server = nil
	slices.SortStableFunc(list, inOrder)
	var got []string
	for _, n := range list {
		got = append(got, n.Addr)
	}
	if want := []string{"b", "a", "z", "w", "x", "lost"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestRoles(t *testing.T) {
	node := func(readOnly bool, sources ...*Node) *Node {
		return &Node{Side: Old, Server: &cluster.Server{}, Facts: cluster.Facts{ReadOnly: readOnly}, Sources: sources}
	}
	elsewhere := &Node{Side: New}
	a := node(false)
	b := node(false, a)
	if b.role() != Replica || a.role() != Writer || node(false, elsewhere).role() != Writer {
		t.Errorf("one-way: %s, %s", a.role(), b.role())
	}
	a.Sources = []*Node{b}
	if a.role() != Writer || b.role() != Writer {
		t.Errorf("two primaries: %s, %s", a.role(), b.role())
	}
	b.Facts.ReadOnly = true
	if a.role() != Writer || b.role() != Replica {
		t.Errorf("one of two is read only: %s, %s", a.role(), b.role())
	}
	if third := node(false, a); third.role() != Replica {
		t.Errorf("below two primaries: %s", third.role())
	}
	a.group, b.group = groupSecondary, groupPrimary
	if a.role() != Member || b.role() != Writer {
		t.Errorf("group: %s, %s", a.role(), b.role())
	}
	a.Sources, b.Sources, a.members = nil, nil, []*Node{b}
	if !a.Below(b) || b.Below(a) {
		t.Errorf("the primary's changes get to the other member: %v, the other way: %v", a.Below(b), b.Below(a))
	}
	out := node(true)
	out.Facts.GroupReplication = true
	if out.role() != Member {
		t.Errorf("out of its group: %s", out.role())
	}
	if lost := (&Node{Side: Old, Sources: []*Node{a}}); lost.role() != Replica {
		t.Errorf("not reached: %s", lost.role())
	}
}

// TestErrant: what a node above gained meanwhile is no fault of a replica; what none of them has is.
func TestErrant(t *testing.T) {
	maria := func(text string) State {
		s := State{LogBin: true, told: true}
		for g := range strings.FieldsSeq(text) {
			x, err := gtid.ParseMariaGTID(g)
			if err != nil {
				t.Fatal(err)
			}
			s.logged = append(s.logged, x)
		}
		return s
	}
	for _, c := range []struct{ replica, source, want string }{
		{"1-1-5", "1-1-9", ""},
		{"1-1-9", "1-1-9 1-2-3", ""},
		{"1-1-9 1-7-4", "1-1-9", "1-7-4"},
		{"1-1-9 1-7-4 2-7-1", "1-1-9 1-7-4", "2-7-1"},
		{"1-1-10", "1-1-9", "1-1-10"},
	} {
		top := &Node{Label: "new", Server: &cluster.Server{}, Facts: cluster.Facts{Flavor: cluster.FlavorMariaDB}}
		n := &Node{Role: Replica, Server: &cluster.Server{}, Facts: top.Facts, Sources: []*Node{top}, State: maria(c.replica)}
		later := maria(c.source)
		if got := n.errant(map[*Node]State{top: later}); got.Known {
			t.Errorf("known although %+v was not read", top)
		}
		later.Time = later.Time.AddDate(2026, 0, 0)
		if got := n.errant(map[*Node]State{top: later}); !got.Known || got.Set != c.want {
			t.Errorf("%s above %s: %+v, want %q", c.source, c.replica, got, c.want)
		}
	}
}
