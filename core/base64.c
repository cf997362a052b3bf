#include "core/base64.h"

#include <errno.h>
#include <openssl/evp.h>

enum { BYTES_AT_ONCE = 3 << 20 };

/* A digit's value and one; 0 for what is no digit. */
static const uint8_t digits[256] = {
	['A'] = 1,  ['B'] = 2,	['C'] = 3,  ['D'] = 4,	['E'] = 5,  ['F'] = 6,	['G'] = 7,
	['H'] = 8,  ['I'] = 9,	['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14,
	['O'] = 15, ['P'] = 16, ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21,
	['V'] = 22, ['W'] = 23, ['X'] = 24, ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28,
	['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32, ['g'] = 33, ['h'] = 34, ['i'] = 35,
	['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40, ['o'] = 41, ['p'] = 42,
	['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48, ['w'] = 49,
	['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
	['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63,
	['/'] = 64,
};

/* The six bits of a character, or a negative number. */
static int sextet(char character)
{
	return digits[(unsigned char)character] - 1;
}

/* The last group, which may be padded. */
static int decode_last(const char *text, uint8_t *out, size_t *ret_length)
{
	int a = sextet(text[0]), b = sextet(text[1]), c = sextet(text[2]), d = sextet(text[3]);
	size_t padding = text[3] != '=' ? 0 : text[2] != '=' ? 1 : 2;

	if (padding > 0)
		d = 0;
	if (padding > 1)
		c = 0;
	if ((a | b | c | d) < 0 || (padding == 1 && (c & 0x03)) || (padding == 2 && (b & 0x0f)))
		return -EINVAL;
	out[0] = (uint8_t)(a << 2 | b >> 4);
	if (padding < 2)
		out[1] = (uint8_t)(b << 4 | c >> 2);
	if (padding < 1)
		out[2] = (uint8_t)(c << 6 | d);
	*ret_length = 3 - padding;
	return 0;
}

int base64_decode(const char *text, size_t length, uint8_t *out, size_t *ret_length)
{
	size_t last = 0, i;
	int r;

	if (length % 4 != 0)
		return -EINVAL;
	if (length == 0) {
		*ret_length = 0;
		return 0;
	}
	for (i = 0; i + 4 < length; i += 4) {
		int a = sextet(text[i]), b = sextet(text[i + 1]), c = sextet(text[i + 2]),
		    d = sextet(text[i + 3]);

		if ((a | b | c | d) < 0)
			return -EINVAL;
		*out++ = (uint8_t)(a << 2 | b >> 4);
		*out++ = (uint8_t)(b << 4 | c >> 2);
		*out++ = (uint8_t)(c << 6 | d);
	}
	r = decode_last(text + i, out, &last);
	if (r == 0)
		*ret_length = i / 4 * 3 + last;
	return r;
}

int base64url_decode(const char *text, size_t length, uint8_t *out, size_t *ret_length)
{
	uint32_t bits = 0;
	size_t count = 0;

	for (size_t i = 0; i < length; i++) {
		char character = text[i] == '-' ? '+' : text[i] == '_' ? '/' : text[i];

		if (text[i] == '+' || text[i] == '/' || sextet(character) < 0)
			return -EINVAL;
		bits = bits << 6 | (uint32_t)sextet(character);
		if (i % 4 != 0)
			out[count++] = (uint8_t)(bits >> (6 - i % 4 * 2));
	}
	if (length % 4 == 1 || (length % 4 == 2 && (bits & 0x0f)) ||
	    (length % 4 == 3 && (bits & 0x03)))
		return -EINVAL;
	*ret_length = count;
	return 0;
}

void base64_encode(const uint8_t *bytes, size_t length, char *out)
{
	*out = '\0';	     /* also if there is nothing to encode */
	while (length > 0) { /* EVP_EncodeBlock() counts in int */
		size_t part = length < BYTES_AT_ONCE ? length : BYTES_AT_ONCE;

		out += EVP_EncodeBlock((unsigned char *)out, bytes, (int)part);
		bytes += part;
		length -= part;
	}
}
