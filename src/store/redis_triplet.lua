-- redis_triplet.lua -- triplet_after() of weigh/triplet.h, on the text in the server.
--
-- KEYS[1]  the triplet
-- ARGV[1]  the terms (redis_record.c)
-- returns  its text before; false: there was nothing
--
-- It lingers so that whoever comes too late is told so.  A text that cannot be read counts as
-- nothing.

local TIME_MAX, PASSES_MAX = 253402300799999, 1000000
local min, max, number = math.min, math.max, tonumber
local now, delay, window, keep, linger = struct.unpack('<I6I6I6I6I6', ARGV[1])

local function earlier(at, by)
	return at > 0 and min(max(at - by, 1), now) or 0
end

local function expires_of(first, last, passed, colour, upto)
	if passed > 0 or (colour ~= '' and upto == 0) then
		return max(last + keep + 1, upto)
	end
	return max(first + window + 1, upto)
end

local text = redis.pcall('GETRANGE', KEYS[1], '0', '255')
if type(text) == 'table' then
	return text
end
local first, last, passed, passes, colour =
	text:match('^first=(%d+) last=(%d+) passed=(%d+) passes=(%d+)(.*)$')
if not first then
	passed, first, last, passes, colour = '0',
		text:match('^first=(%d+) last=(%d+) passes=(%d+)(.*)$')
end
local upto = 0
if first and colour ~= '' then
	local name, ends = (colour .. ' until=0'):match('^ (%l+) until=(%d+)')
	if (name ~= 'white' and name ~= 'black') or
	   (colour ~= ' ' .. name and colour ~= ' ' .. name .. ' until=' .. ends) then
		first = nil
	end
	colour, upto = name, number(ends)
end
local is_known = false
if first then
	first, last, passed, passes = number(first), number(last), number(passed), number(passes)
	is_known = max(first, last, passed, upto) <= TIME_MAX and passes <= PASSES_MAX
end

local is_expired = true
if is_known then
	-- What is from the future is moved, all of it, and a colour that has ended is gone.
	local ahead = max(last - now, 0)
	first, last, passed = earlier(first, ahead), earlier(last, ahead), earlier(passed, ahead)
	if upto > 0 and now >= upto then
		colour, upto = '', 0
	end
	is_expired = now >= expires_of(first, last, passed, colour, upto) or
		     (colour == '' and first == 0 and passed == 0)
end
if not is_expired then
	local left = redis.call('PTTL', KEYS[1])
	if left >= 0 and left <= linger then
		is_known, is_expired = false, true -- other terms had given it less
	end
end

if is_expired then
	first, passed, passes, colour, upto = now, 0, 0, '', 0
elseif colour ~= 'black' then
	local is_white = colour == 'white'
	local has_waited = now - first >= delay or
			   (passed > 0 and (passed <= first or now - first > window))
	-- A white one waits meanwhile as any other.
	if is_white and (now >= expires_of(first, last, passed, '', 0) or
			 (first == 0 and passed == 0)) then
		first, passed, has_waited = now, 0, false
	end
	if has_waited and passed == 0 then
		passed = now
	end
	if has_waited or is_white then
		passes = min(passes, PASSES_MAX - 1) + 1
	end
end

local words = colour
if colour ~= '' then
	words = ' ' .. colour .. (upto > 0 and string.format(' until=%d', upto) or '')
end
local left = expires_of(first, now, passed, colour, upto) - now + linger
local done = redis.pcall('SET', KEYS[1],
	string.format('first=%d last=%d passed=%d passes=%d%s', first, now, passed, passes, words),
	'PX', string.format('%d', max(left, 1)))
if done.err then
	return done
end
return is_known and text or false
