/* Compiling the plans of plan.h. */
#include "plan.h"

static Action action_of(uint16_t tag)
{
    switch (tag) {
    case DW_TAG_array_type:
    case DW_TAG_pointer_type:
    case DW_TAG_reference_type:
    case DW_TAG_rvalue_reference_type:
    case DW_TAG_string_type:
    case DW_TAG_subroutine_type:
    case DW_TAG_ptr_to_member_type:
    case DW_TAG_set_type:
    case DW_TAG_subrange_type:
    case DW_TAG_generic_subrange:
    case DW_TAG_const_type:
    case DW_TAG_volatile_type:
    case DW_TAG_restrict_type:
    case DW_TAG_atomic_type:
    case DW_TAG_immutable_type:
    case DW_TAG_shared_type:
    case DW_TAG_packed_type:
    case DW_TAG_file_type:
    case DW_TAG_thrown_type:
    case DW_TAG_unspecified_type:
    case DW_TAG_coarray_type:
    case DW_TAG_dynamic_type:
        return ACT_TYPE;
    case DW_TAG_member:
        return ACT_MEMBER;
    case DW_TAG_base_type:
    case DW_TAG_typedef:
    case DW_TAG_template_alias:
        return ACT_NAMED;
    case DW_TAG_structure_type:
    case DW_TAG_class_type:
    case DW_TAG_union_type:
    case DW_TAG_interface_type:
        return ACT_CLASS;
    case DW_TAG_enumeration_type:
        return ACT_ENUM;
    case DW_TAG_namespace:
    case DW_TAG_module:
        return ACT_NAMESPACE;
    case DW_TAG_lexical_block:
    case DW_TAG_try_block:
    case DW_TAG_catch_block:
    case DW_TAG_with_stmt:
    case DW_TAG_common_block:
        return ACT_BLOCK;
    case DW_TAG_GNU_formal_parameter_pack:
        return ACT_PACK;
    case DW_TAG_subprogram:
        return ACT_FUNCTION;
    case DW_TAG_inlined_subroutine:
        return ACT_INLINED;
    case DW_TAG_formal_parameter:
        return ACT_PARAMETER;
    case DW_TAG_unspecified_parameters:
        return ACT_ELLIPSIS;
    case DW_TAG_variable:
        return ACT_VARIABLE;
    case DW_TAG_imported_unit:
        return ACT_IMPORT;
    default:
        return ACT_PASS;
    }
}

/* Slot + 1 of each attribute that is wanted of some DIE. */
static const uint8_t SLOT_OF[0x90] = {
    [DW_AT_sibling] = SLOT_SIBLING + 1,
    [DW_AT_name] = SLOT_NAME + 1,
    [DW_AT_linkage_name] = SLOT_LINKAGE + 1,
    [DW_AT_decl_file] = SLOT_FILE + 1,
    [DW_AT_decl_line] = SLOT_LINE + 1,
    [DW_AT_type] = SLOT_TYPE + 1,
    [DW_AT_abstract_origin] = SLOT_ORIGIN + 1,
    [DW_AT_extension] = SLOT_ORIGIN + 1,
    [DW_AT_specification] = SLOT_SPECIFICATION + 1,
    [DW_AT_low_pc] = SLOT_LOW + 1,
    [DW_AT_high_pc] = SLOT_HIGH + 1,
    [DW_AT_ranges] = SLOT_RANGES + 1,
    [DW_AT_entry_pc] = SLOT_ENTRY + 1,
    [DW_AT_inline] = SLOT_INLINE + 1,
    [DW_AT_location] = SLOT_LOCATION + 1,
    [DW_AT_byte_size] = SLOT_SIZE + 1,
    [DW_AT_signature] = SLOT_SIGNATURE + 1,
    [DW_AT_containing_type] = SLOT_CONTAINER + 1,
    [DW_AT_call_file] = SLOT_CALL_FILE + 1,
    [DW_AT_call_line] = SLOT_CALL_LINE + 1,
    [DW_AT_call_column] = SLOT_CALL_COLUMN + 1,
    [DW_AT_import] = SLOT_IMPORT + 1,
    [DW_AT_count] = SLOT_COUNT + 1,
    [DW_AT_lower_bound] = SLOT_LOWER + 1,
    [DW_AT_upper_bound] = SLOT_UPPER + 1,
    [DW_AT_string_length] = SLOT_STRING_LENGTH + 1,
    [DW_AT_const_value] = SLOT_CONST_VALUE + 1,
    [DW_AT_virtuality] = SLOT_VIRTUALITY + 1,
    [DW_AT_object_pointer] = SLOT_OBJECT_POINTER + 1,
    [DW_AT_external] = SLOT_FLAG + 1,
    [DW_AT_declaration] = SLOT_FLAG + 1 + 1,
    [DW_AT_artificial] = SLOT_FLAG + 2 + 1,
    [DW_AT_noreturn] = SLOT_FLAG + 3 + 1,
    [DW_AT_main_subprogram] = SLOT_FLAG + 4 + 1,
    [DW_AT_prototyped] = SLOT_FLAG + 5 + 1,
    [DW_AT_variable_parameter] = SLOT_FLAG + 6 + 1,
};

static Slot slot_of(uint16_t name)
{
    if (name < sizeof SLOT_OF)
        return SLOT_OF[name] ? SLOT_OF[name] - 1 : SLOT_NONE;
    if (name == DW_AT_MIPS_linkage_name)
        return SLOT_LINKAGE;
    if (name == DW_AT_GNU_vector)
        return SLOT_FLAG + 7;
    return SLOT_NONE;
}

enum { MOST_ATTRIBUTES = 4096 };

#define BIT(slot) (UINT64_C(1) << (slot))
#define COMMON (BIT(SLOT_SIBLING) | BIT(SLOT_NAME))
#define DECLARED \
    (COMMON | BIT(SLOT_LINKAGE) | BIT(SLOT_FILE) | BIT(SLOT_LINE) | BIT(SLOT_TYPE) | BIT(SLOT_ORIGIN) \
     | BIT(SLOT_SPECIFICATION))
#define TYPE (COMMON | BIT(SLOT_TYPE) | BIT(SLOT_SIZE) | BIT(SLOT_SIGNATURE) | BIT(SLOT_SPECIFICATION))

/* Slots below SLOT_FLAG that an action looks at. */
static const uint64_t WANTED[ACT_COUNT] = {
    [ACT_PASS] = BIT(SLOT_SIBLING),
    [ACT_TYPE] = TYPE | BIT(SLOT_CONTAINER) | BIT(SLOT_COUNT) | BIT(SLOT_LOWER) | BIT(SLOT_UPPER)
                 | BIT(SLOT_STRING_LENGTH),
    [ACT_MEMBER] = DECLARED,
    [ACT_NAMED] = TYPE,
    [ACT_CLASS] = TYPE,
    [ACT_ENUM] = TYPE,
    [ACT_NAMESPACE] = COMMON | BIT(SLOT_ORIGIN),
    [ACT_FUNCTION] = DECLARED | BIT(SLOT_LOW) | BIT(SLOT_HIGH) | BIT(SLOT_RANGES) | BIT(SLOT_ENTRY)
                     | BIT(SLOT_INLINE) | BIT(SLOT_VIRTUALITY) | BIT(SLOT_OBJECT_POINTER),
    [ACT_INLINED] = BIT(SLOT_SIBLING) | BIT(SLOT_ORIGIN) | BIT(SLOT_LOW) | BIT(SLOT_HIGH) | BIT(SLOT_RANGES)
                    | BIT(SLOT_CALL_FILE) | BIT(SLOT_CALL_LINE) | BIT(SLOT_CALL_COLUMN),
    [ACT_PARAMETER] = DECLARED | BIT(SLOT_CONST_VALUE),
    [ACT_VARIABLE] = DECLARED | BIT(SLOT_LOCATION) | BIT(SLOT_CONST_VALUE),
    [ACT_IMPORT] = BIT(SLOT_IMPORT),
};

static Op op_of(uint16_t form, int size)
{
    switch (form) {
    case DW_FORM_flag_present:
        return OP_ONE;
    case DW_FORM_implicit_const:
        return OP_CONSTANT;
    case DW_FORM_string:
        return OP_TEXT;
    case DW_FORM_block:
    case DW_FORM_exprloc:
        return OP_BLOCK;
    case DW_FORM_block1:
        return OP_BLOCK1;
    case DW_FORM_block2:
        return OP_BLOCK2;
    case DW_FORM_block4:
        return OP_BLOCK4;
    case DW_FORM_sdata:
        return OP_SLEB;
    case DW_FORM_indirect:
        return OP_ANY;
    }
    switch (size) {
    case 1:
    case 2:
    case 3:
    case 4:
    case 8:
        return OP_FIXED;
    case -1:
        return OP_ULEB;
    default:
        return OP_ANY;
    }
}

typedef VEC(Step) Steps;

static void add_step(Steps *steps, uint32_t *bytes, Step step)
{
    step.skip = (uint16_t)*bytes;
    steps->items[steps->count++] = step;
    *bytes = 0;
}

/* Bytes to pass before the next step. */
static void add_bytes(Steps *steps, uint32_t *bytes, int size)
{
    if (*bytes + (uint32_t)size > UINT16_MAX)
        add_step(steps, bytes, (Step){0, OP_SKIP, SLOT_NONE, 0});
    *bytes += (uint32_t)size;
}

static bool is_expression(uint16_t form)
{
    return form == DW_FORM_exprloc || form == DW_FORM_block || form == DW_FORM_block1 || form == DW_FORM_block2
           || form == DW_FORM_block4 || form == DW_FORM_indirect;
}

/* What is read of an attribute by its form, with the sizes of a slot. */
typedef struct {
    int8_t size; /* as form_size() gives it */
    uint8_t op;
} FormRead;

typedef struct {
    const AbbrevSlot *slot;
    FormRead known[DW_FORM_addrx4 + 1];
} Forms;

static FormRead form_read(const AbbrevSlot *slot, uint16_t form)
{
    int size = form_size(form, slot->version, slot->address_size, slot->offset_size);
    return (FormRead){(int8_t)size, (uint8_t)op_of(form, size)};
}

static FormRead form_of(const Forms *forms, uint16_t form)
{
    if (form < sizeof forms->known / sizeof *forms->known)
        return forms->known[form];
    return form_read(forms->slot, form);
}

static Step step_of(const AttrSpec *spec, FormRead read)
{
    uint32_t form = spec->form;
    if (read.op == OP_CONSTANT)
        form = spec->constant;
    else if (read.op == OP_FIXED)
        form |= (uint32_t)read.size << 16;
    return (Step){0, read.op, SLOT_NONE, form};
}

static Passage draft_skip(const AttrSpec *specs, uint32_t count, const Forms *forms, Steps *steps)
{
    uint32_t first = (uint32_t)steps->count, bytes = 0;
    for (uint32_t i = 0; i < count; i++) {
        FormRead read = form_of(forms, specs[i].form);
        if (read.size >= 0)
            add_bytes(steps, &bytes, read.size);
        else
            add_step(steps, &bytes, step_of(&specs[i], read));
    }
    return (Passage){first, (uint16_t)(steps->count - first), (uint16_t)bytes};
}

static Passage draft_full(const AttrSpec *specs, uint32_t count, const Forms *forms, Plan *plan, Steps *steps)
{
    uint32_t first = (uint32_t)steps->count, bytes = 0;
    for (uint32_t i = 0; i < count; i++) {
        FormRead read = form_of(forms, specs[i].form);
        Slot slot = slot_of(specs[i].name);
        if (slot < SLOT_FLAG && (!(WANTED[plan->action] >> slot & 1) || plan->present >> slot & 1))
            slot = SLOT_NONE;
        if (slot == SLOT_NONE && read.size >= 0) {
            add_bytes(steps, &bytes, read.size);
            continue;
        }
        if (slot >= SLOT_FLAG && slot != SLOT_NONE && read.op == OP_ONE) {
            plan->flags |= (uint8_t)(1 << (slot - SLOT_FLAG));
            continue;
        }
        if (slot < SLOT_FLAG)
            plan->present |= UINT32_C(1) << slot;
        if (slot == SLOT_LOCATION)
            plan->expression = is_expression(specs[i].form);
        Step step = step_of(&specs[i], read);
        step.slot = (uint8_t)slot;
        add_step(steps, &bytes, step);
    }
    return (Passage){first, (uint16_t)(steps->count - first), (uint16_t)bytes};
}

/* What no compiler writes: the unknown form ends the unit. */
static Passage draft_end(Steps *steps)
{
    uint32_t first = (uint32_t)steps->count, bytes = 0;
    add_step(steps, &bytes, (Step){0, OP_ANY, SLOT_NONE, 0xffff});
    return (Passage){first, 1, 0};
}

Plans *plans_make(const AbbrevTable *table, const AbbrevSlot *slot)
{
    size_t count = table->abbrevs.count;
    Plans *plans = count < SIZE_MAX / sizeof(Plan) / 2 ? calloc(1, sizeof *plans + count * sizeof(Plan)) : NULL;
    /* An attribute makes at most one step of each passage. */
    Steps steps = {0};
    if (!plans || !vec_room(&steps, 2 * (table->specs.count + count) + 1)) {
        free(plans);
        return NULL;
    }
    Forms forms = {.slot = slot};
    for (uint16_t form = 0; form < sizeof forms.known / sizeof *forms.known; form++)
        forms.known[form] = form_read(slot, form);
    bool dense = true;
    for (size_t i = 0; i < count; i++) {
        const Abbrev *abbrev = &table->abbrevs.items[i];
        const AttrSpec *specs = table->specs.items + abbrev->first_spec;
        Plan *plan = &plans->plans[i];
        dense = dense && abbrev->code == i + 1;
        plan->action = (uint8_t)action_of(abbrev->tag);
        plan->tag = abbrev->tag;
        plan->children = abbrev->children;
        if (abbrev->spec_count > MOST_ATTRIBUTES) {
            plan->skip = draft_end(&steps);
            plan->full = draft_end(&steps);
            continue;
        }
        plan->skip = draft_skip(specs, abbrev->spec_count, &forms, &steps);
        plan->full = draft_full(specs, abbrev->spec_count, &forms, plan, &steps);
    }
    vec_trim(&steps);
    plans->steps = steps.items;
    plans->dense = dense ? count : 0;
    return plans;
}

void plans_free(Plans *plans)
{
    if (plans)
        free(plans->steps);
    free(plans);
}

void plans_leave(Unit *unit)
{
    Dwarf *dwarf = unit->part->dwarf;
    AbbrevSlot *slot = &dwarf->slots[unit->slot];
    if (atomic_fetch_sub(&slot->users, 1) == 1 && !atomic_load(&dwarf->crossing))
        plans_free(atomic_exchange(&slot->plans, NULL));
}
