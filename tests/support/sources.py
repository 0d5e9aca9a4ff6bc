"""Programs with much of what C and C++ can say to a debugger."""

C_SOURCE = r"""
struct point { int x, y; struct { short a, b; } in; union { int u; float f; } un; };
typedef struct { char name[16]; int (*fn)(int, void *); const char *const *list; } item_t;
enum color { RED, GREEN };
typedef int (*cmp_fn)(const void *, const void *);
static int counter; int global_table[4][8]; static __thread int tls_value = 3;
const char *const words[] = {"a", "b"}; volatile int flag; extern int elsewhere; const int limit = 7;
static inline int add(int a, int b) { return a + b; }
static __attribute__((noinline)) int work(struct point *p, item_t it, enum color c, cmp_fn f, const char *restrict s, ...)
{ static int calls; calls++; return add(p->x, calls) + it.name[0] + c + (f != 0) + s[0] + tls_value++; }
int (*choose(int k))(int, void *) { (void)k; return 0; }
void nothing(void) { counter++; }
int old_style();
int old_style(a, b) int a; char b; { return a + b; }
_Noreturn void die(const int code) { for (;;) flag = code; }
static inline __attribute__((always_inline)) int twice(int v) { return add(v, v) * 2; }
int arrays(int n, int (*pa)[3], int flex[], const char (*const text)[5]) { return n + (*pa)[1] + flex[0] + (*text)[0]; }
typedef float v4 __attribute__((vector_size(16)));
v4 vadd(v4 a, v4 b) { return a + b; }
int main(int argc, char **argv)
{ struct point p = {argc, 2, {1, 2}, {3}}; item_t it = {"x", 0, 0}; int pa[3] = {0}; nothing();
  return work(&p, it, RED, 0, argv[0]) + twice(argc) + arrays(2, &pa, pa, 0) + old_style(1, 2) + (choose(1) != 0) + limit; }
"""

# What gdb writes, by function.
C_SIGNATURES = {
    "work": "int (struct point * p, item_t it, enum color c, cmp_fn f, const char * restrict s, ...)",
    "choose": "int (*)(int, void *) (int k)",
    "nothing": "void ()",
    "old_style": "int (int a, char b)",
    "die": "void (const int code)",
    "arrays": "int (int n, int (*)[3] pa, int * flex, const char (* const)[5] text)",
    "vadd": "v4 (v4 a, v4 b)",
    "main": "int (int argc, char ** argv)",
    "twice": "int (int v)",
}

CPP_SOURCE = r"""
#include <functional>
#include <string>
#include <vector>
namespace outer {
namespace { struct Hidden { int v; int get() const { return v; } }; int hidden_var = 4; }
inline namespace v1 {
class Shape { public: virtual ~Shape() {} virtual double area() const = 0; static int count; static const int limit = 7; };
int Shape::count = 3;
class Square final : public virtual Shape {
  double side;
public:
  explicit Square(double s) : side(s) { count++; }
  double area() const override { return side * side; }
  template <typename T> T scale(T by) { return side * by; }
  friend bool operator==(const Square &a, const Square &b) { return a.side == b.side; }
  struct Inner { enum class Kind : char { A, B } k; int f(Kind x) { return (int)x; } };
};
}
template <typename T, int N> struct Array { T data[N]; T &operator[](int i) { return data[i]; } T sum() const; };
template <typename T, int N> T Array<T, N>::sum() const { T s{}; for (auto v : data) s += v; return s; }
template <typename... A> int count_args(A &&...a) { return sizeof...(a); }
struct Outside;
int use(Outside *o, int &&r, const volatile char *p, std::nullptr_t n, double (Square::*mf)() const, int Hidden::*md)
{ return o != nullptr && r && p && n == nullptr && mf && md; }
auto lambda_maker(int base) { return [base](int x) mutable { return base + x; }; }
}
using Callback = std::function<int(const std::string &)>;
static int run(Callback cb, std::vector<outer::Square *> &v, int (&ra)[3], int (*const fp)(int), bool b, wchar_t w, long double ld)
{ static std::string last; return cb("x") + v.size() + ra[0] + (fp ? 1 : 0) + b + w + (int)ld + last.size(); }
extern "C" int c_linkage(int a) { return a; }
struct { int anon_member; } anon_struct;
constexpr int kConst = 5; inline int inline_var = 6; thread_local int tl = 1;
int main()
{ outer::Hidden h{1}; outer::Square sq(2); outer::Array<int, 3> a{{1, 2, 3}}; std::vector<outer::Square *> v; int ra[3] = {1};
  struct Local { int m() { return 3; } } l; outer::Square::Inner in{}; auto f = outer::lambda_maker(1); int rr = 1;
  return h.get() + a.sum() + sq.scale(3) + l.m() + f(1) + in.f(in.k) + outer::count_args(1, 2.0, "x") + outer::hidden_var
    + anon_struct.anon_member + kConst + inline_var + tl + a[0] + (sq == sq) + (int)sq.area()
    + run([](const std::string &s) { return (int)s.size(); }, v, ra, nullptr, true, L'a', 1.0L) + c_linkage(2)
    + outer::use(nullptr, std::move(rr), nullptr, nullptr, nullptr, nullptr) + outer::Shape::count; }
"""

CPP_SIGNATURES = {
    "outer::(anonymous namespace)::Hidden::get": "int (const outer::(anonymous namespace)::Hidden * const this)",
    "outer::v1::Square::area": "double (const outer::v1::Square * const this)",
    "outer::v1::Square::scale<int>": "int (outer::v1::Square * const this, int by)",
    "outer::v1::Square::Inner::f": (
        "int (outer::v1::Square::Inner * const this, outer::v1::Square::Inner::Kind x)"
    ),
    "outer::v1::operator==": "bool (const outer::v1::Square & a, const outer::v1::Square & b)",
    "outer::Array<int, 3>::operator[]": "int & (outer::Array<int, 3> * const this, int i)",
    "outer::count_args<int, double, char const (&)[2]>": ("int (int &&, double &&, const char (&)[2])"),
    "outer::use": (
        "int (outer::Outside * o, int && r, const volatile char * p, std::nullptr_t n, "
        "double (outer::v1::Square::*)(const outer::v1::Square *) mf, "
        "int outer::(anonymous namespace)::Hidden::* md)"
    ),
    "run": (
        "int (Callback cb, std::vector<outer::v1::Square*, std::allocator<outer::v1::Square*> > & v, "
        "int (&)[3] ra, int (* const)(int) fp, bool b, wchar_t w, long double ld)"
    ),
    "c_linkage": "int (int a)",
    "main": "int ()",
}
