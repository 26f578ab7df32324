// Colours that tell classes and instances apart.
#pragma once

#include <array>
#include <cstdint>

namespace fastermask {

// The colour of number `index`, BGR. Stable. The first ones are Okabe and Ito's, which people with any kind of colour
// vision tell apart; later ones go round the hues by the golden angle while their lightness changes in three steps.
std::array<std::uint8_t, 3> palette_colour(int index);

// True when black letters read better than white ones on this colour (BGR): by WCAG's relative luminance.
bool wants_dark_text(const std::array<std::uint8_t, 3>& bgr);

}  // namespace fastermask
