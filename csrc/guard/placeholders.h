// Placeholders as a model may write them: [person 1] for ⟦PERSON_1⟧.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "literals.h"
#include "text.h"

namespace guard {

// The closed set of spellings of ⟦TYPE_N⟧, where every character may be its full-width form:
//   - brackets: ⟦⟧ [] <> {} 【】 〔〕 〖〗 〈〉 《》 〚〛 ⟨⟩ ⟪⟫ and [[]] <<>> {{}}, the closing one the opening one's own;
//   - up to two spaces inside each bracket;
//   - letters in either case;
//   - for an underscore: `_`, a space, `-` or `\_`; before the number, behind capitals: also nothing (<address1> is a
//     tag of somebody's XML).
// Nothing else is one: no number with a zero in front or more than 18 digits, no bracket missing.
class Placeholders {
 public:
  explicit Placeholders(std::vector<std::u32string> types);  // of A-Z and _, none another's beginning

  struct Place {
    int32_t start, end;
    int32_t type;  // its number; -1: a literal, as it is written
    int64_t number;
  };
  // One pass from left to right over what stands for a value: literals, and spellings of placeholders that are among
  // `tokens` (⟦TYPE_N⟧); at each place the longest, disjoint. `unknown`: spellings of others, in which literals may
  // stand. `open`: the text goes on, so it stops at the first place where a longer one may still come; `*stop` is that
  // place, or the end.
  std::vector<Place> find(const Text& text, const Literals& literals, const Literals& tokens, bool open,
                          std::vector<Place>* unknown, int32_t* stop) const;

 private:
  enum Answer { kNone, kCut, kWhole };  // kCut: all there is of it fits, and the text ends
  Answer at(const Text& text, int32_t start, Place* place) const;
  Answer name(const Text& text, int32_t i, int32_t type, uint32_t close, bool doubled, Place* place) const;
  bool is_token(const Literals& tokens, const Place& place) const;

  std::vector<std::u32string> types_;
  std::vector<int32_t> by_letter_[26];  // types by their first letter
};

}  // namespace guard
