-- redis_triplet.lua -- triplet_after() of weigh/triplet.h, on the text in the server.
--
-- KEYS[1]  the triplet
-- ARGV     now, delay, window, keep, and how long it lingers when it has expired; milliseconds
-- returns  its text before; false: there was nothing
--
-- It lingers so that whoever comes too late is told so.  A text that cannot be read counts as
-- nothing.  What is not worth a write is not written (store_touch_text of store/records.c).

local TIME_MAX, PASSES_MAX, GRAINS, GRAIN_MAX = 253402300799999, 1000000, 256, 600000
local now, delay, window = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local keep, linger = tonumber(ARGV[4]), tonumber(ARGV[5])

local function parse(text)
	local first, last, passed, passes, colour = string.match(text,
		'^first=(%d+) last=(%d+) passed=(%d+) passes=(%d+)(.*)$')
	if not first then
		passed = '0'
		first, last, passes, colour =
			string.match(text, '^first=(%d+) last=(%d+) passes=(%d+)(.*)$')
	end
	if not first or (colour ~= '' and colour ~= ' white' and colour ~= ' black') then
		return nil
	end
	local known = { first = tonumber(first), last = tonumber(last), passed = tonumber(passed),
			passes = tonumber(passes), colour = colour }
	if math.max(known.first, known.last, known.passed) > TIME_MAX or
	   known.passes > PASSES_MAX then
		return nil
	end
	return known
end

local function expires_of(triplet)
	if triplet.colour == '' and triplet.passed == 0 then
		return triplet.first + window + 1
	end
	return triplet.last + keep + 1
end

-- What is from the future is from now.
local function pull_back(known)
	return { first = math.min(known.first, now), last = math.min(known.last, now),
		 passed = math.min(known.passed, now), passes = known.passes,
		 colour = known.colour }
end

local text = redis.pcall('GETRANGE', KEYS[1], 0, 255)
if type(text) == 'table' then
	return text
end
local known = text ~= '' and parse(text) or nil
local after = known and pull_back(known)

if after and now < expires_of(after) then
	local left = redis.call('PTTL', KEYS[1])
	if left >= 0 and left <= linger then
		known, after = nil, nil -- other terms had given it less
	end
end
if not after or now >= expires_of(after) then
	after = { first = now, passed = 0, passes = 0, colour = '' }
elseif after.colour ~= ' black' and
       (after.colour ~= '' or after.passed > 0 or now - after.first >= delay) then
	if after.passed == 0 then
		after.passed = now
	end
	after.passes = math.min(after.passes, PASSES_MAX - 1) + 1
end
after.last = now

local is_worthless = known and known.first == after.first and known.passed == after.passed and
	known.colour == after.colour and known.last <= now and
	now - known.last < math.min(math.floor(keep / GRAINS), GRAIN_MAX)
if not is_worthless then
	local done = redis.pcall('SET', KEYS[1],
		string.format('first=%d last=%d passed=%d passes=%d%s', after.first, now,
			      after.passed, after.passes, after.colour),
		'PX', string.format('%d', math.max(expires_of(after) - now + linger, 1)))
	if done.err then
		return done
	end
end
return known and text or false
