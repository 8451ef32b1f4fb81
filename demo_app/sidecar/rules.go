package main

import (
	"strings"
	"time"
)

// The rules that both sides share to the letter; service/ has the same.

// rates are the millionths of a euro that one unit of each currency is worth.
var rates = map[string]int64{
	"EUR": 1_000_000, "USD": 921_659, "GBP": 1_174_329, "CHF": 1_036_484, "JPY": 6_127,
	"SEK": 87_912, "NOK": 85_433, "DKK": 134_052, "PLN": 231_750, "CZK": 39_604,
}

func isSpace(r rune) bool { return r == ' ' || r >= '\t' && r <= '\r' }

func trim(text string) string { return strings.TrimFunc(text, isSpace) }

func asciiLower(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r - 'A' + 'a'
		}
		return r
	}, text)
}

func asciiUpper(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r - 'a' + 'A'
		}
		return r
	}, text)
}

func isAlphanumeric(c byte) bool { return c >= 'a' && c <= 'z' || isDigit(c) }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isLocalPart(text string) bool {
	for i := range len(text) {
		if !isAlphanumeric(text[i]) && strings.IndexByte(".!#$%&'*+/=?^_{|}~-", text[i]) < 0 {
			return false
		}
	}
	return text != ""
}

func isDomain(text string) bool {
	labels := 0
	for label := range strings.SplitSeq(text, ".") {
		if !isLabel(label) {
			return false
		}
		labels++
	}
	return labels >= 2
}

func isLabel(text string) bool {
	for i := range len(text) {
		if !isAlphanumeric(text[i]) && text[i] != '-' {
			return false
		}
	}
	return text != ""
}

// parseCents reads up to nine digits, perhaps a sign before and up to six
// decimals after, and rounds to cents, a tie to the even one.
func parseCents(raw string) (int64, string) {
	text, negative := strings.CutPrefix(trim(raw), "-")
	whole, decimals, hasPoint := strings.Cut(text, ".")
	if !digits(whole, 1, 9) || hasPoint && !digits(decimals, 1, 6) {
		return 0, "invalid"
	}
	millionths := number(whole)*1_000_000 + number(decimals+"000000"[len(decimals):])
	if negative {
		millionths = -millionths
	}
	return halfEven(millionths, 10_000), ""
}

func digits(text string, least, greatest int) bool {
	for i := range len(text) {
		if !isDigit(text[i]) {
			return false
		}
	}
	return len(text) >= least && len(text) <= greatest
}

// number reads what digits has accepted.
func number(text string) (n int64) {
	for i := range len(text) {
		n = n*10 + int64(text[i]-'0')
	}
	return n
}

// halfEven divides and rounds to the nearest integer, a tie to the even one.
// The divisor is positive.
func halfEven(dividend, divisor int64) int64 {
	quotient, remainder := dividend/divisor, dividend%divisor
	if remainder < 0 { // round down, as Python's divmod does
		quotient, remainder = quotient-1, remainder+divisor
	}
	if twice := 2 * remainder; twice > divisor || twice == divisor && quotient%2 != 0 {
		quotient++
	}
	return quotient
}

// normaliseTime takes 2024-05-06T07:08:09, perhaps with one to six decimals, and
// then Z or an offset such as +02:00; it gives the same moment in UTC with six
// decimals. Years run from 1970 to 2099; there are no leap seconds.
func normaliseTime(text string) (string, string) {
	const shape = "0000-00-00T00:00:00"
	if len(text) <= len(shape) || !fits(text[:len(shape)], shape) {
		return text, "invalid"
	}
	micros, zone, ok := fraction(text[len(shape):])
	offset, okZone := offsetOf(zone)
	year, month, day := int(number(text[0:4])), time.Month(number(text[5:7])), int(number(text[8:10]))
	hour, minute, second := int(number(text[11:13])), int(number(text[14:16])), int(number(text[17:19]))
	if !ok || !okZone || year < 1970 || year > 2099 || hour > 23 || minute > 59 || second > 59 {
		return text, "invalid"
	}
	moment := time.Date(year, month, day, hour, minute, second, micros*1000, time.UTC)
	if moment.Day() != day || moment.Month() != month { // such as 31 June
		return text, "invalid"
	}
	return moment.Add(-offset).Format("2006-01-02T15:04:05.000000Z"), ""
}

// fits compares with a shape in which 0 stands for any digit.
func fits(text, shape string) bool {
	for i := range len(shape) {
		if shape[i] == '0' && !isDigit(text[i]) || shape[i] != '0' && text[i] != shape[i] {
			return false
		}
	}
	return true
}

func fraction(text string) (micros int, zone string, ok bool) {
	rest, found := strings.CutPrefix(text, ".")
	if !found {
		return 0, text, true
	}
	end := strings.IndexAny(rest, "Z+-")
	if end < 1 || !digits(rest[:end], 1, 6) {
		return 0, "", false
	}
	return int(number(rest[:end] + "000000"[end:])), rest[end:], true
}

func offsetOf(zone string) (time.Duration, bool) {
	if zone == "Z" {
		return 0, true
	}
	if len(zone) != 6 || zone[0] != '+' && zone[0] != '-' || !fits(zone[1:], "00:00") {
		return 0, false
	}
	hours, minutes := number(zone[1:3]), number(zone[4:6])
	offset := time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
	if zone[0] == '-' {
		offset = -offset
	}
	return offset, hours <= 23 && minutes <= 59
}
