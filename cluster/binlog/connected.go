package binlog

// Connected tells whether the tail has a live connection to its server now.
func (t *Tailer) Connected() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || t.sess == nil {
		return false
	}
	select {
	case <-t.sess.done:
		return false
	default:
		return true
	}
}
