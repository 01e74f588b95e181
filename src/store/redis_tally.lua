-- redis_tally.lua -- tally_count() of weigh/tally.c, on the record in the server.
--
-- KEYS[1]  the tally
-- ARGV[1]  what is wanted
-- returns  what is to be said
--
-- redis_record.c has the forms of all three.  The server makes each function of a script anew at
-- each call, so this is one walk from top to bottom with few of them; and it hashes each string
-- that a script makes, so a window's entries stay where they are, from .. to (behind them) in the
-- list that was read: old ones are cut off by moving from, the new one is added beside, and all
-- is put together once.
--
-- Numbers are doubles: times and amounts are below 2^53.  What cannot be read counts as nothing.

local VERSION, HEAD, HEAD_LEN = 1, '<BBBBI6I6I7', 23
local WINDOW, WINDOW_LEN, ENTRY, ENTRY_LEN, RATE, RATE_LEN = '<I6I7I2', 15, '<I6I7', 13, '<I7I6', 13
local SEEN, SEEN_LEN, TIME, TIME_LEN, HASH_LEN = '<I6c8I7B', 22, '<I6', 6, 8
local RECORD_MAX, ENTRIES_MAX, SEEN_MAX, RATES_MAX, EXACT = '16367', 258, 128, 4, 128
local MOST_MAX, PERIOD_MAX = 1000000000000000, 400 * 24 * 3600 * 1000
local unpack, pack, sub = struct.unpack, struct.pack, string.sub

local wanted = ARGV[1]
local now, amount, raise_until, is_total, is_distinct, counts_refused, raise_count, rate_count,
	once, rates_at = unpack('<I6I7I6BBBBBc8', wanted)
local has_once = once ~= '\0\0\0\0\0\0\0\0'

-- What is from the future is from now; each item of the list begins with its time.
local function pull_back(list, item_len)
	local from, pulled = #list + 1, {}
	while from > item_len and unpack('<I6', list, from - item_len) > now do
		from = from - item_len
	end
	pulled[1] = sub(list, 1, from - 1)
	for at = from, #list, item_len do
		pulled[#pulled + 1] = pack('<I6', now)
		pulled[#pulled + 1] = sub(list, at + 6, at + item_len - 1)
	end
	return table.concat(pulled)
end

-- Drop what is older than the period.
local function slide(window)
	local from, oldest = window.from, now - window.period
	while from < window.to do
		local at, sum = unpack(ENTRY, window.list, from)
		if at >= oldest then
			break
		end
		window.used = window.used - sum
		from = from + ENTRY_LEN
	end
	window.from = from
end

-- Join also what was kept as it came.
local function tighten(window, grain)
	local sums, times = {}, {}
	for from = window.from, window.to - 1, ENTRY_LEN do
		local at, sum = unpack(ENTRY, window.list, from)
		local count = #sums
		if count >= 2 and at - times[count - 1] < grain then
			sum, count = sum + sums[count], count - 1
		end
		sums[count + 1], times[count + 1] = sum, at
	end
	for i = 1, #sums do
		sums[i] = pack(ENTRY, times[i], sums[i])
	end
	window.list = table.concat(sums)
	window.from, window.to = 1, #window.list + 1
end

-- One less of what was counted at seen_at, or joined since.
local function take_out(window, seen_at)
	local list, from, to = window.list, window.from, window.to
	while from < to do
		local at, sum = unpack(ENTRY, list, from)
		if at >= seen_at then
			list = sub(list, window.from, from - 1) ..
			       (sum > 1 and pack(ENTRY, at, sum - 1) or '') ..
			       sub(list, from + ENTRY_LEN, to - 1)
			window.used, window.list = window.used - 1, list
			window.from, window.to = 1, #list + 1
			break
		end
		from = from + ENTRY_LEN
	end
end

-- --- what is there ---

local text = redis.pcall('GETRANGE', KEYS[1], '0', RECORD_MAX)
if type(text) == 'table' then
	return text
end
local version, window_count, seen_count, raised_count, raised_until, noticed, refused, at
if #text >= HEAD_LEN then
	version, window_count, seen_count, raised_count, raised_until, noticed, refused, at =
		unpack(HEAD, text)
end
local is_ours = version == VERSION and window_count <= RATES_MAX and raised_count <= RATES_MAX and
		seen_count <= SEEN_MAX
-- Tables have room from the beginning: to grow takes the server long.
local windows, after = { nil, nil, nil, nil }, #text + 1
for i = 1, is_ours and window_count or 0 do
	if at + WINDOW_LEN + ENTRY_LEN > after then
		is_ours = false
		break
	end
	local period, used, count, first = unpack('<I6I7I2I6', text, at)
	local from, to = at + WINDOW_LEN, at + WINDOW_LEN + count * ENTRY_LEN
	if count == 0 or count > ENTRIES_MAX or to > after then
		is_ours = false
		break
	end
	local window = { period = period, used = used, list = text, from = from, to = to,
			 added = 0 }
	if unpack(TIME, text, to - ENTRY_LEN) > now then
		window.list = pull_back(sub(text, from, to - 1), ENTRY_LEN)
		window.from, window.to = 1, to - from + 1
		first = unpack(TIME, window.list)
	end
	if first < now - period then
		slide(window)
	end
	windows[i], at = window, to
end
if not is_ours or at + raised_count * RATE_LEN + seen_count * SEEN_LEN ~= after then
	windows, text, at, after = {}, '', 1, 1
	raised_count, raised_until, noticed, refused = 0, 0, 0, 0
end
for i = #windows, 1, -1 do
	if windows[i].from == windows[i].to then
		table.remove(windows, i)
	end
end

-- What was counted once: from seen_from to the end of seen, by its time.
local seen, seen_from = text, at + raised_count * RATE_LEN
if seen_from < after then
	local oldest = now - (#windows > 0 and windows[#windows].period or 0)
	if unpack(TIME, seen, after - SEEN_LEN) > now then
		seen, seen_from = pull_back(sub(seen, seen_from), SEEN_LEN), 1
	end
	while seen_from <= #seen and unpack(TIME, seen, seen_from) < oldest do
		seen_from = seen_from + SEEN_LEN
	end
end

if noticed <= now then
	noticed, refused = 0, 0
end
noticed = noticed < now + PERIOD_MAX and noticed or now + PERIOD_MAX

-- An administrator raises it, or no longer.
local raised, changed = '', false
if raise_until > now then
	raised, raised_until = sub(wanted, rates_at + rate_count * RATE_LEN), raise_until
	changed = true
elseif raised_until > now and raise_until == 0 then
	raised = sub(text, at, at + raised_count * RATE_LEN - 1)
else
	raised_until, changed = 0, raised_until > now
end
raised_until = raised_until < now + PERIOD_MAX and raised_until or now + PERIOD_MAX

-- --- for each rate a window, asked[i], which is to let most[i] through ---

local asked, most, use = { nil, nil, nil, nil }, { 0, 0, 0, 0 }, { 0, 0, 0, 0 }
for i = 1, rate_count do
	local rate, period = unpack(RATE, wanted, rates_at + (i - 1) * RATE_LEN)
	for j = 1, #windows do
		if windows[j].period == period then
			asked[i] = windows[j]
		end
	end
	if not asked[i] then
		-- It begins with what the next longer one has, or else the longest.
		local from = 1
		while from < #windows and windows[from].period < period do
			from = from + 1
		end
		local like = windows[from] or { used = 0, list = '', from = 1, to = 1 }
		asked[i] = { period = period, used = like.used, list = like.list, from = like.from,
			     to = like.to, added = 0 }
		slide(asked[i])
		if #windows == RATES_MAX then
			-- The shortest that is not asked for makes room.
			local is_asked, unused = {}, 1
			for j = 1, rate_count do
				local _, its = unpack(RATE, wanted, rates_at + (j - 1) * RATE_LEN)
				is_asked[its] = true
			end
			while unused < #windows and is_asked[windows[unused].period] do
				unused = unused + 1
			end
			table.remove(windows, unused)
		end
		from = #windows + 1
		while from > 1 and windows[from - 1].period > period do
			from = from - 1
		end
		table.insert(windows, from, asked[i])
	end
	most[i] = rate
end

-- --- judging ---

local added, before, was_refused, place, seen_at = amount, 0, 0, nil, 0
if has_once then
	local hash = string.find(seen, once, seen_from + TIME_LEN, true)
	while hash and (hash - TIME_LEN - seen_from) % SEEN_LEN ~= 0 do
		hash = string.find(seen, once, hash + 1, true)
	end
	if hash then
		place = hash - TIME_LEN
		before, was_refused = unpack('<I7B', seen, hash + HASH_LEN)
	end
	if hash and is_distinct == 1 then
		seen_at, before = unpack(TIME, seen, place), 0
	elseif hash and is_total == 1 then
		added = added > before and added - before or 0
	end
end
local lifted, is_free, is_over = {}, was_refused == 0, false
for i = 1, rate_count do
	local window = asked[i]
	local has_value = seen_at > 0 and seen_at >= now - window.period
	use[i] = window.used + (has_value and 0 or added)
	is_free = is_free and use[i] == window.used
	if raised_until > 0 then
		lifted[i] = raised == '' and MOST_MAX or nil
		for from = 1, #raised, RATE_LEN do
			local rate, period = unpack(RATE, raised, from)
			if period == window.period then
				lifted[i] = rate
			end
		end
		most[i] = lifted[i] or most[i]
	end
	is_over = is_over or use[i] > most[i]
end
is_over = is_over and not is_free

-- --- charging: all windows, or none ---

local seen_last = ''
if added > 0 and rate_count > 0 and (counts_refused == 1 or not is_over) then
	for i = 1, #windows do
		local window = windows[i]
		if seen_at > 0 and seen_at >= now - window.period then
			take_out(window, seen_at)
		end
		local sum = MOST_MAX - window.used
		sum = added < sum and added or sum
		if sum > 0 then
			local count, grain = (window.to - window.from) / ENTRY_LEN, 0
			if count >= EXACT then
				grain = math.ceil(window.period / EXACT)
			end
			if count == ENTRIES_MAX then
				tighten(window, grain)
				count = (window.to - window.from) / ENTRY_LEN
			end
			window.used, window.added = window.used + sum, sum
			local at, _, _, its = 0, 0, 0, 0
			if count >= EXACT then
				at, _, _, its = unpack('<I6I7I6I7', window.list,
						       window.to - 2 * ENTRY_LEN)
			end
			if now - at < grain then
				window.to, window.added = window.to - ENTRY_LEN, sum + its
			end
		end
	end
	if has_once then
		-- One of many recipients that is refused says nothing of the message.
		local sum = before + added
		seen_last = pack(SEEN, now, once, sum < MOST_MAX and sum or MOST_MAX,
				 is_over and is_total or 0)
		if not place and #seen + 1 - seen_from == SEEN_MAX * SEEN_LEN then
			place = seen_from
		end
		if place and place > seen_from then
			seen = sub(seen, seen_from, place - 1) .. sub(seen, place + SEEN_LEN)
			seen_from = 1
		elseif place then
			seen_from = seen_from + SEEN_LEN
		end
	end
	changed = true
end

-- After charging: a refused attempt that was charged has made its own wait longer.
local is_first, wait = false, {}
if is_over then
	local worst
	for i = 1, rate_count do
		local window = asked[i]
		if use[i] > most[i] then
			-- A distinct value that was charged is there already.
			local has_value = seen_at > 0 and seen_at >= now - window.period
			local again = added
			if is_distinct == 1 and (counts_refused == 1 or has_value) then
				again = 0
			end
			local excess, from = window.used + again - most[i], window.from
			wait[i] = 0
			while excess > 0 and from < window.to do
				local at, sum = unpack(ENTRY, window.list, from)
				excess, wait[i] = excess - sum, at + window.period + 1 - now
				from = from + ENTRY_LEN
			end
			if again > most[i] then
				wait[i] = window.period
			elseif excess > 0 and window.added > 0 then
				wait[i] = window.period + 1
			end
			if not worst or wait[i] > wait[worst] then
				worst = i
			end
		end
	end
	if noticed == 0 then
		noticed, is_first = now + asked[worst].period, true
	end
	refused = (refused < MOST_MAX and refused or MOST_MAX - 1) + 1
	changed = true
end

-- --- writing ---

if changed then
	local part, last, count = { '', '', '', '', '', '', '', '', '', '' }, 1, 0
	local expires = raised_until > noticed and raised_until or noticed
	for i = 1, #windows do
		local window = windows[i]
		local entries = (window.to - window.from) / ENTRY_LEN
		entries = entries + (window.added > 0 and 1 or 0)
		if entries > 0 then
			part[last + 1] = pack(WINDOW, window.period, window.used, entries)
			part[last + 2] = sub(window.list, window.from, window.to - 1)
			part[last + 3] = window.added > 0 and pack(ENTRY, now, window.added) or ''
			last, count = last + 3, count + 1
			local at = now
			if window.added == 0 then
				at = unpack(TIME, window.list, window.to - ENTRY_LEN)
			end
			at = at + window.period + 1
			expires = at > expires and at or expires
		end
	end
	seen = sub(seen, seen_from)
	part[1] = pack(HEAD, VERSION, count, (#seen + #seen_last) / SEEN_LEN, #raised / RATE_LEN,
		       raised_until, noticed, refused)
	part[last + 1], part[last + 2], part[last + 3] = raised, seen, seen_last
	local done
	if expires > now then
		done = redis.pcall('SET', KEYS[1], table.concat(part, '', 1, last + 3), 'PX',
				   string.format('%d', expires - now))
	else
		done = redis.pcall('DEL', KEYS[1])
	end
	if type(done) == 'table' and done.err then
		return done
	end
end

local said = pack('B', (is_first and 1 or 0) + (is_free and 2 or 0))
for i = 1, rate_count do
	said = said .. pack('<I6I7I6I7', asked[i].period, use[i], wait[i] or 0,
			    (lifted[i] or -1) + 1)
end
return said
