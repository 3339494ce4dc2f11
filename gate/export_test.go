package gate

// What the walks, which also use package record, share with the tests in here.
var (
	Good     = good
	TestPlan = testPlan
	Shown    = states
	T0       = t0
)

// The servers of the tests.
const (
	UUIDOld = uuidOld
	UUIDNew = uuidNew
	UUIDRep = uuidElse
)
