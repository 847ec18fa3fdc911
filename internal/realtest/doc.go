// Package realtest runs workers on Redis as it is met in the field: clusters, Sentinels, clocks that are off, long ways, users
// with few rights. It asserts by what the simulated phones saw.
package realtest
