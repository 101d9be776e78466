package watch

// tree is the directories that are watched. Each knows its name and what it is in, so that a rename is one step however
// much is below.
type tree struct {
	root    *node
	watched map[int]*node
}

type node struct {
	// The root's name is its path.
	name     string
	parent   *node
	children map[string]*node
	// The kernel's number for its watch.
	wd int
	// Names that a look into it has found, whose creation may be told once more by what the kernel held then.
	names map[string]bool
	// How often the kernel's queue had been emptied at that look.
	lookedAt int
}

func newTree(root string) *tree {
	return &tree{&node{name: root, children: map[string]*node{}}, map[int]*node{}}
}

func (n *node) path() string {
	if n.parent == nil {
		if n.name == "/" {
			return ""
		}
		return n.name
	}
	return n.parent.path() + "/" + n.name
}

// attach puts a directory in its place, from another one if it is watched there.
func (t *tree) attach(parent *node, name string, wd int) *node {
	moved := t.watched[wd]
	if moved == nil {
		moved = &node{wd: wd, children: map[string]*node{}}
		t.watched[wd] = moved
	} else {
		moved.detach()
	}
	moved.name, moved.parent = name, parent
	parent.children[name] = moved
	return moved
}

// forget drops a directory that is no longer watched.
func (t *tree) forget(gone *node) {
	gone.detach()
	delete(t.watched, gone.wd)
}

func (n *node) detach() {
	if n.parent != nil && n.parent.children[n.name] == n {
		delete(n.parent.children, n.name)
	}
}

// found remembers a name that a look has found.
func (n *node) found(name string, emptied int) {
	if n.names == nil {
		n.names = map[string]bool{}
	}
	n.names[name] = true
	n.lookedAt = emptied
}

// knows says whether the creation of that name was reported already, by a look into the directory: true once for each.
func (n *node) knows(name string, emptied int) bool {
	// All that the kernel held at the look was read when its queue was next empty.
	if emptied > n.lookedAt+1 {
		n.names = nil
	}
	known := n.names[name]
	delete(n.names, name)
	return known
}

// lost says that a name is no longer there: what comes by it next is new.
func (n *node) lost(name string) {
	delete(n.names, name)
}
