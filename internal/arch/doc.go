// Package arch holds the test that this module's imports point only one way. It has no code of its own.
package arch
