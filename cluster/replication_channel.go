package cluster

import "context"

// Channel is the state of the channel by which the link's changes arrive at
// its end: the direct one, that of a group, or the last of a chain. Errors are
// *FenceError if it is gone, or those of asking.
func (l *Link) Channel(ctx context.Context) (ReplicaChannel, error) {
	if l.group {
		return l.fromGroup(ctx)
	}
	return l.current(ctx)
}
