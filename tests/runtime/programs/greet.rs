// Rust: text, slices, references, enumerations, panics that are caught.
use std::collections::BTreeMap;
use std::io::Read;

#[derive(Clone, Copy)]
#[repr(u8)]
pub enum Color { Red, Green, Blue }

pub struct Point { pub x: i32, pub y: i32 }

#[inline(never)]
#[no_mangle]
pub fn greet(name: &str, times: u32) -> usize { std::hint::black_box(name).len() + times as usize }
#[inline(never)]
#[no_mangle]
pub fn paint(color: Color, width: i64) -> i64 { std::hint::black_box(color as i64 + width) }
#[inline(never)]
#[no_mangle]
pub fn measure(point: &Point) -> i32 { std::hint::black_box(point.x - point.y) }
#[inline(never)]
#[no_mangle]
pub fn shorten(text: &'static str) -> &'static str { std::hint::black_box(&text[..4]) }

fn main() {
    let mut input = String::new();
    std::io::stdin().read_to_string(&mut input).unwrap();
    let mut called: BTreeMap<String, u32> = BTreeMap::new();
    // A page that nobody touched reads as nothing.
    for text in ["hello from rust and more", "shortened"] { std::fs::write("/dev/null", text).unwrap(); }
    for line in input.lines() {
        let (name, times) = line.split_once(' ').unwrap();
        for at in 0..times.parse::<u32>().unwrap() {
            match name {
                "greet" => { greet("hello from rust and more", at); }
                "paint" => { paint([Color::Red, Color::Green, Color::Blue][at as usize % 3], -5); }
                "measure" => { measure(&Point { x: at as i32, y: 7 }); }
                _ => { shorten("shortened"); }
            }
            *called.entry(name.to_string()).or_default() += 1;
        }
    }
    for (name, count) in called { println!("{name} {count}"); }
}
