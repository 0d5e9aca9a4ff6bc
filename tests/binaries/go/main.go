// Calls nothing of the library that would make the program large.
package main

type shape interface{ area() int }

type square struct{ side int }

func (s square) area() int { return double(s.side) * s.side / 2 }

func double(x int) int { return twice(x) }

func twice(x int) int {
	if x < 0 {
		return 0
	}
	return 2 * x
}

func largest[T int | float64](values []T) T {
	found := values[0]
	for _, value := range values {
		if value > found {
			found = value
		}
	}
	return found
}

//go:noinline
func total(shapes []shape) (sum int) {
	defer func() { sum++ }()
	for _, each := range shapes {
		sum += each.area()
	}
	return
}

func main() {
	println(total([]shape{square{2}, square{3}}), largest([]int{1, 3, 2}), largest([]float64{.5, .25}))
}
