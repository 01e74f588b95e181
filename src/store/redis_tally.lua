-- redis_tally.lua -- tally_count() of weigh/tally.c, on the text in the server.
--
-- KEYS[1]  the tally
-- ARGV     now, amount, once (hash; empty: nothing), is_total, counts_refused (0 or 1),
--          raise_until, raise (rates as text), number of rates, then of each: most, period
-- returns  "FLAGS[ PERIOD USED WAIT MOST]..."; FLAGS: 1 first, 2 free
--
-- The server hashes every string that a script makes, so long ones are what costs.  A window's
-- entries stay where they are, from .. to in the text that was read: old ones are cut off by
-- moving from, the new one is added beside, and all is put together once.  Numbers are doubles:
-- times and amounts are below 2^53.  A text that cannot be read counts as nothing.

local EXACT, ENTRIES_MAX, SEEN_MAX, WINDOWS_MAX = 128, 258, 128, 4
local MOST_MAX, PERIOD_MAX = 1000000000000000, 400 * 24 * 3600 * 1000
local ENTRY_LEN, SEEN_LEN = 33, 50 -- of the longest, and the comma in front

local now_text, once = ARGV[1], ARGV[3]
local now, amount, raise_until = tonumber(now_text), tonumber(ARGV[2]), tonumber(ARGV[6])
local rates, rate_of = {}, {}
for i = 1, tonumber(ARGV[8]) do
	local rate = { most = tonumber(ARGV[7 + 2 * i]), period = tonumber(ARGV[8 + 2 * i]) }
	rates[i] = rate
	rate_of[rate.period] = rate
end

-- Sections of the text.  A window: period, used, its entries in list from .. to, the entry that is
-- added; and of the entries the last but one's time (text), where the last starts, its time and
-- amount.
local windows, seen, raised, raised_until, noticed, refused

local function commas_in(list, from, to)
	local count, at = 0, list:find(',', from, true)
	while at and at <= to do
		count, at = count + 1, list:find(',', at + 1, true)
	end
	return count
end

local function put_behind(list, item)
	return list == '' and item or list .. ',' .. item
end

-- What is from the future is from now: of a list, in which item_of says from a place on where the
-- next item starts, its time, and how it is written if that is now.
local function pull_back(list, item_of)
	local pulled, from = {}, 1
	while from <= #list do
		local behind, at, item = item_of(list, from)
		if at > now then
			pulled[#pulled + 1] = item
		else
			pulled[#pulled + 1] = list:sub(from, behind - 1)
		end
		from = behind + 1
	end
	return table.concat(pulled, ',')
end

local function entry_of(list, from)
	local at, sum, behind = list:match('^(%d+)%+(%d+)()', from)
	return behind, tonumber(at), now_text .. '+' .. sum
end

-- Its last two entries are looked at; they are pulled back if need be.
local function window_set(window, list, from, to)
	local tail = ',' .. list:sub(math.max(from, to - 2 * ENTRY_LEN + 1), to)
	local before, start, at, sum = tail:match('.*,(%d+)%+%d+,()(%d+)%+(%d+)$')
	if not before then
		start, at, sum = tail:match('^,()(%d+)%+(%d+)$')
	end
	window.list, window.from, window.to = list, from, to
	window.before, window.start = before, to - #tail + start
	window.last, window.last_sum = tonumber(at), tonumber(sum)
	if window.last > now then
		list = pull_back(list:sub(from, to), entry_of)
		window_set(window, list, 1, #list)
	end
end

local function slide(window)
	local list, from, oldest = window.list, window.from, now - window.period
	while from <= window.to do
		local at, sum, behind = list:match('^(%d+)%+(%d+)()', from)
		if tonumber(at) >= oldest then
			window.shortest = #at + 3 -- an entry and its comma
			break
		end
		window.used = window.used - tonumber(sum)
		from = behind + 1
	end
	window.from = from
end

local function window_insert(window)
	local at = #windows + 1
	while at > 1 and windows[at - 1].period > window.period do
		at = at - 1
	end
	table.insert(windows, at, window)
end

local function window_of(period)
	for _, window in ipairs(windows) do
		if window.period == period then
			return window
		end
	end
end

-- "window PERIOD USED LIST; seen LIST; raised UNTIL RATES; over UNTIL REFUSED"
local function parse(text)
	local from = 1
	windows, seen, raised, raised_until, noticed, refused = {}, '', 'none', 0, 0, 0
	while from <= #text do
		local behind = text:find('; ', from, true) or #text + 1
		local word = text:match('^%a+ ', from)
		if word == 'window ' then
			local period, used, list = text:match('^(%d+) (%d+) ()', from + 7)
			local window = { period = tonumber(period), used = tonumber(used) }
			window_set(window, text, list, behind - 1)
			window_insert(window)
		elseif word == 'seen ' then
			seen = text:sub(from + 5, behind - 1)
		elseif word == 'raised ' then
			raised_until, raised = text:sub(from, behind - 1):match('^raised (%d+) (.*)$')
			raised_until = tonumber(raised_until)
		elseif word == 'over ' then
			noticed, refused = text:match('^over (%d+) (%d+)', from)
			noticed, refused = tonumber(noticed), tonumber(refused)
		else
			error('none of ours')
		end
		from = behind + 2
	end
	assert(#windows <= WINDOWS_MAX)
end

local function slide_seen()
	local from, oldest = 1, now - (#windows > 0 and windows[#windows].period or 0)
	if tonumber(seen:sub(-SEEN_LEN):match('%+(%d+)$')) > now then
		seen = pull_back(seen, function(list, at)
			local front, ms, behind = list:match('^(%x+[+-]%d+%+)(%d+)()', at)
			return behind, tonumber(ms), front .. now_text
		end)
	end
	while from <= #seen do
		local at, behind = seen:match('^%x+[+-]%d+%+(%d+)()', from)
		if tonumber(at) >= oldest then
			break
		end
		from = behind + 1
	end
	if from > 1 then
		seen = seen:sub(from)
	end
end

local function slide_all()
	for i = #windows, 1, -1 do
		slide(windows[i])
		if windows[i].from > windows[i].to then
			table.remove(windows, i)
		end
	end
	if seen ~= '' then
		slide_seen()
	end
	if raised_until <= now then
		raised_until, raised = 0, 'none'
	end
	if noticed <= now then
		noticed, refused = 0, 0
	end
	raised_until = math.min(raised_until, now + PERIOD_MAX)
	noticed = math.min(noticed, now + PERIOD_MAX)
end

local function raise_limit()
	if raise_until <= now then
		local was_raised = raised_until > 0
		raised_until, raised = 0, 'none'
		return was_raised
	end
	raised_until, raised = math.min(raise_until, now + PERIOD_MAX), ARGV[7]
	return true
end

-- A window for a new period, from the next longer one or else the longest.
local function window_begin(period)
	local begun, from = { period = period, used = 0, from = 1, to = 0 }, 1
	while from < #windows and windows[from].period < period do
		from = from + 1
	end
	if windows[from] then
		for name, value in pairs(windows[from]) do
			begun[name] = value
		end
		begun.period = period
	end
	slide(begun)
	if #windows == WINDOWS_MAX then
		local unused = 1
		while rate_of[windows[unused].period] do
			unused = unused + 1
		end
		table.remove(windows, unused)
	end
	window_insert(begun)
end

-- Where in seen it stands, the place behind it, its amount, and whether it was refused.
local function seen_find()
	local start = seen:find(once, 1, true)
	while start do
		local sign, sum, behind = seen:match('^([+-])(%d+)%+%d+()', start + 16)
		if sign and (start == 1 or seen:sub(start - 1, start - 1) == ',') then
			return start, behind, tonumber(sum), sign == '-'
		end
		start = seen:find(once, start + 1, true)
	end
end

local function raised_most(period)
	local unit_ms = { ms = 1, s = 1000, m = 60000, h = 3600000, d = 86400000 }
	if raised == 'none' then
		return MOST_MAX
	end
	for most, number, unit in raised:gmatch('(%d+)/(%d+)(%a+)') do
		if tonumber(number) * unit_ms[unit] == period then
			return tonumber(most)
		end
	end
	return -1
end

-- Join also what was kept as it came.
local function tighten(window)
	local kept, grain = {}, math.ceil(window.period / EXACT)
	local list = window.list:sub(window.from, window.to)
	for at, sum in list:gmatch('(%d+)%+(%d+)') do
		local entry = { at = tonumber(at), sum = tonumber(sum) }
		if #kept >= 2 and entry.at - kept[#kept - 1].at < grain then
			entry.sum = entry.sum + kept[#kept].sum
			kept[#kept] = entry
		else
			kept[#kept + 1] = entry
		end
	end
	for i, entry in ipairs(kept) do
		kept[i] = string.format('%d+%d', entry.at, entry.sum)
	end
	list = table.concat(kept, ',')
	window_set(window, list, 1, #list)
end

-- Are there EXACT entries?  Mostly the length tells: were there fewer before the last, more of
-- their bytes than their amounts allow (one for 9) would be beyond the shortest.
local function is_exact(window)
	local rest = window.start - window.from - (EXACT - 2) * window.shortest
	if rest <= 0 then
		return false
	end
	return (#window.before == window.shortest - 3 and
		rest > (window.used - window.last_sum - (EXACT - 2)) / 9) or
	       commas_in(window.list, window.from, window.to) >= EXACT - 1
end

local function charge(window, added)
	local sum = math.min(added, MOST_MAX - window.used)
	if sum == 0 then
		return
	end
	if window.from > window.to then
		window.used, window.added = sum, string.format('%s+%d', now_text, sum)
		return
	end
	if window.to - window.from + 2 >= ENTRIES_MAX * window.shortest and
	   commas_in(window.list, window.from, window.to) + 1 >= ENTRIES_MAX then
		tighten(window)
	end
	if window.to - window.from + 2 >= EXACT * window.shortest and
	   now - tonumber(window.before) < math.ceil(window.period / EXACT) and
	   is_exact(window) then
		window.to, window.used = window.start - 2, window.used - window.last_sum
		sum = sum + window.last_sum
	end
	window.used, window.added = window.used + sum, string.format(',%s+%d', now_text, sum)
end

local function wait_of(window, added, most)
	local excess, wait, from = window.used + added - most, 0, window.from
	if added > most then
		return window.period
	end
	while excess > 0 and from <= window.to do
		local at, sum, behind = window.list:match('^(%d+)%+(%d+)()', from)
		excess = excess - tonumber(sum)
		wait = tonumber(at) + window.period + 1 - now
		from = behind + 1
	end
	if excess > 0 and window.added then
		return window.period + 1
	end
	return wait
end

local function remember_once(start, behind, before, added, is_over)
	if not start and #seen >= SEEN_MAX * 20 and commas_in(seen, 1, #seen) + 1 >= SEEN_MAX then
		start, behind = 1, seen:find(',', 1, true)
	end
	if start then
		local front = seen:sub(1, math.max(start - 2, 0))
		local rest = seen:sub(behind + 1)
		seen = rest == '' and front or put_behind(front, rest)
	end
	seen = put_behind(seen, string.format('%s%s%d+%s', once, is_over and '-' or '+',
					      math.min((before or 0) + added, MOST_MAX), now_text))
end

local function notice(uses)
	local worst
	for _, use in ipairs(uses) do
		if use.is_over and (not worst or use.wait > worst.wait) then
			worst = use
		end
	end
	local is_first = noticed == 0
	if is_first then
		noticed = now + worst.period
	end
	refused = math.min(refused, MOST_MAX - 1) + 1
	return is_first
end

-- Its text, and when it is forgotten.
local function written()
	local parts, expires, between = {}, math.max(now, raised_until, noticed), ''
	for _, window in ipairs(windows) do
		if window.added or window.from <= window.to then
			local at = window.added and now or window.last
			parts[#parts + 1] = string.format('%swindow %d %d ', between,
							  window.period, window.used)
			parts[#parts + 1] = window.list and
					    window.list:sub(window.from, window.to) or ''
			parts[#parts + 1] = window.added or ''
			expires = math.max(expires, at + window.period + 1)
			between = '; '
		end
	end
	if seen ~= '' then
		parts[#parts + 1] = between .. 'seen ' .. seen
		between = '; '
	end
	if raised_until > 0 or (between == '' and noticed == 0) then
		parts[#parts + 1] = string.format('%sraised %d %s', between, raised_until, raised)
		between = '; '
	end
	if noticed > 0 then
		parts[#parts + 1] = string.format('%sover %d %d', between, noticed, refused)
	end
	return table.concat(parts), expires
end

-- What is to be answered; and, where something has changed, what is to be written.
local function count(text)
	local is_total, counts_refused = ARGV[4] == '1', ARGV[5] == '1'
	parse(text)
	slide_all()
	local changed, uses, is_over, is_first = false, {}, false, false
	if raise_until ~= 0 then
		changed = raise_limit()
	end
	for _, rate in ipairs(rates) do
		if not window_of(rate.period) then
			window_begin(rate.period)
		end
	end

	local added = amount
	local start, behind, before, was_refused
	if once ~= '' then
		start, behind, before, was_refused = seen_find()
	end
	if start and is_total then
		added = math.max(added - before, 0)
	end
	was_refused = was_refused and raised_until == 0
	local is_free = added == 0 and not was_refused

	for i, rate in ipairs(rates) do
		local window = window_of(rate.period)
		local lifted = raised_until == 0 and -1 or raised_most(rate.period)
		local most = lifted >= 0 and lifted or rate.most
		local used = window.used + added
		if was_refused and used <= most then
			used = most + 1
		end
		uses[i] = { period = rate.period, used = used, wait = 0, lifted = lifted,
			    most = most, is_over = used > most }
		is_over = is_over or (used > most and not is_free)
	end

	if added > 0 and #rates > 0 and (counts_refused or not is_over) then
		for _, window in ipairs(windows) do
			charge(window, added)
		end
		if once ~= '' then
			-- One of many recipients that is refused says nothing of the message.
			remember_once(start, behind, before, added, is_over and is_total)
		end
		changed = true
	end
	if is_over then
		for _, use in ipairs(uses) do
			if use.is_over then
				use.wait = wait_of(window_of(use.period), added, use.most)
			end
		end
		is_first = notice(uses)
		changed = true
	end

	local said = { (is_first and 1 or 0) + (is_free and 2 or 0) }
	for _, use in ipairs(uses) do
		said[#said + 1] = string.format('%d %d %d %d', use.period, use.used, use.wait,
						use.lifted)
	end
	said = table.concat(said, ' ')
	if changed then
		return said, written()
	end
	return said
end

local text = redis.pcall('GETRANGE', KEYS[1], 0, 49152)
if type(text) == 'table' then
	return text
end
local is_ours, said, after, expires = pcall(count, text)
if not is_ours then
	said, after, expires = count('')
end
if after then
	local done
	if expires > now then
		done = redis.pcall('SET', KEYS[1], after, 'PX', string.format('%d', expires - now))
	else
		done = redis.pcall('DEL', KEYS[1])
	end
	if type(done) == 'table' and done.err then
		return done
	end
end
return said
