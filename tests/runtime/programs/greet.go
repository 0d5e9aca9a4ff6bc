// Go: text, numbers and methods in registers.
package main

import "fmt"

type Account struct {
	ID      int64
	Balance int32
	Owner   string
}

//go:noinline
func Greet(name string, times int) int { return len(name) + times }

//go:noinline
func (account *Account) Deposit(amount int32, note string) int32 { return account.Balance + amount + int32(len(note)) }

//go:noinline
func Small(flag bool, letter byte, number uint16) int { return int(letter) + int(number) }

func main() {
	called := map[string]int{}
	order := []string{}
	var name string
	var times int
	account := &Account{42, 100, "mary"}
	for {
		if found, _ := fmt.Scan(&name, &times); found != 2 {
			break
		}
		if called[name] == 0 {
			order = append(order, name)
		}
		for i := 0; i < times; i++ {
			switch name {
			case "Greet":
				Greet("hello from go", i)
			case "Deposit":
				account.Deposit(int32(i), "a note")
			default:
				Small(true, 'x', 60000)
			}
			called[name]++
		}
	}
	for _, name := range order {
		fmt.Println(name, called[name])
	}
}
